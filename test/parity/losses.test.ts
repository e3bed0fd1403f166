// Every case of test/fixtures/losses.py: losses and their gradients.
import { expect, it } from 'vitest';
import {
  balancedMseMae,
  bceLoss,
  bceWithLogitsLoss,
  crossEntropyLoss,
  huberLoss,
  type LossOptions,
  l1Loss,
  mseLoss,
  ssimLoss,
  Tensor,
} from '../../src/index.js';
import { type Array64, loadFixture } from '../support/fixture.js';
import { relativeError } from '../support/gradients.js';
import { describeOnTarget } from '../support/target.js';

const losses = {
  mseLoss,
  l1Loss,
  huberLoss,
  bceLoss,
  bceWithLogitsLoss,
  crossEntropyLoss,
  balancedMseMae,
  ssimLoss,
};

interface Options {
  loss: keyof typeof losses;
  options: LossOptions;
}

/** In norm, and for each element that is not tiny beside the largest. */
function expectNear(actual: Float32Array, expected: Array64): void {
  expect(relativeError(actual, expected.values)).toBeLessThan(2e-6);
  for (const [index, value] of actual.entries()) {
    const wanted = expected.values[index]!;
    const bound = 1e-4 * Math.abs(wanted) + 1e-7;
    expect(Math.abs(value - wanted), `element ${index}: ${value}, expected ${wanted}`).toBeLessThan(
      bound,
    );
  }
}

describeOnTarget('losses', () => {
  it.each(loadFixture<Options>('losses'))('$options.name', async ({ options, tensors }) => {
    const tensor = (name: string) => {
      const { values, shape } = tensors.get(name)!;
      return Tensor.from(Float32Array.from(values), shape);
    };
    const [input, target] = [tensor('input'), tensor('target')];
    input.requiresGrad = true;
    target.requiresGrad = tensors.has('targetGrad');
    const loss = losses[options.loss](input, target, options.options);
    const expected = tensors.get('loss')!;
    expect(loss.shape).toEqual(expected.shape);
    expectNear(await loss.data(), expected);
    loss.backward(tensor('upstream'));
    expectNear(await input.grad!.data(), tensors.get('grad')!);
    if (tensors.has('targetGrad')) {
      expectNear(await target.grad!.data(), tensors.get('targetGrad')!);
    }
  });
});
