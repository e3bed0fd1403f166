// Every case of test/fixtures/optimizers.py: parameters after each step.
import { expect, it } from 'vitest';
import {
  Adam,
  type AdamOptions,
  AdamW,
  Parameter,
  RMSprop,
  type RMSpropOptions,
  SGD,
  type SGDOptions,
  Tensor,
} from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { expectClose } from '../support/numbers.js';
import { describeOnTarget } from '../support/target.js';

interface Options {
  optimizer?: 'SGD' | 'RMSprop' | 'Adam' | 'AdamW';
  options: object;
  halfLr: number;
}

const cases = loadFixture<Options>('optimizers').filter(({ options }) => options.optimizer);

function build(options: Options, [first, second]: [Tensor, Tensor]) {
  const groups = [first, { parameters: [second], lr: options.halfLr }];
  if (options.optimizer === 'SGD') return new SGD(groups, options.options as SGDOptions);
  if (options.optimizer === 'RMSprop') {
    return new RMSprop(groups, options.options as RMSpropOptions);
  }
  const Kind = options.optimizer === 'Adam' ? Adam : AdamW;
  return new Kind(groups, options.options as AdamOptions);
}

describeOnTarget('optimizers', () => {
  it.each(cases)('$options.name', async ({ options, tensors }) => {
    const tensor = (name: string) => {
      const { values, shape } = tensors.get(name)!;
      return Tensor.from(Float32Array.from(values), shape);
    };
    const parameters: [Parameter, Parameter] = [
      new Parameter(tensor('start.0')),
      new Parameter(tensor('start.1')),
    ];
    const grads = [tensor('grads.0'), tensor('grads.1')];
    const expected = [tensors.get('results.0')!, tensors.get('results.1')!];
    using optimizer = build(options, parameters);
    for (let step = 0; step < grads[0]!.shape[0]!; step++) {
      optimizer.zeroGrad();
      parameters[0].grad = grads[0]!.select(0, step);
      if (step % 2 === 0) parameters[1].grad = grads[1]!.select(0, step);
      optimizer.step();
      for (const [k, parameter] of parameters.entries()) {
        const row = expected[k]!.values.subarray(
          step * parameter.size,
          (step + 1) * parameter.size,
        );
        expectClose(await parameter.data(), row, 4e-6);
      }
    }
    expect(parameters[0].requiresGrad).toBe(true);
  });
});
