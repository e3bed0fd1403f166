import { describe, expect, it } from 'vitest';
import {
  balancedMseMae,
  bceLoss,
  bceWithLogitsLoss,
  crossEntropyLoss,
  huberLoss,
  type LossOptions,
  l1Loss,
  mseLoss,
  ssim,
  ssimLoss,
  Tensor,
} from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';
import { expectTrueGradients } from '../support/gradients.js';
import { randomValues } from '../support/numbers.js';

type Loss = (input: Tensor, target: Tensor, options?: LossOptions) => Tensor;

const alike: [string, Loss][] = Object.entries({
  mseLoss,
  l1Loss,
  huberLoss,
  bceLoss,
  bceWithLogitsLoss,
  balancedMseMae,
  ssimLoss,
});

describe.each(devices)('losses on %s', (device) => {
  const frames = (seed: number, scale = 0.5) =>
    Tensor.from(
      randomValues(2 * 12 * 13, seed, scale).map((value) => value + scale),
      [2, 1, 12, 13],
      { device },
    );

  it.each(alike)('%s reduces by the mean unless told otherwise', async (_, loss) => {
    const [x, y] = [frames(1), frames(2)];
    const each = loss(x, y, { reduction: 'none' });
    const values = await each.data();
    const sum = values.reduce((a, b) => a + b);
    expect(await loss(x, y, { reduction: 'sum' }).item()).toBeCloseTo(sum, 2);
    expect(await loss(x, y).item()).toBeCloseTo(sum / values.length, 5);
    expect(each.shape).toEqual(loss === ssimLoss ? [2, 1] : x.shape);
  });

  it.each([...alike, ['crossEntropyLoss', crossEntropyLoss] as const])(
    '%s refuses what does not fit, and names both sides',
    (name, loss) => {
      const x = frames(1);
      expectError(() => loss(x, Tensor.zeros([3], { device })), 'ERR_SHAPE', name, '[3]');
      const reduction = 'average' as 'mean';
      expectError(() => loss(x, x, { reduction }), 'ERR_OPTION', "'mean', 'sum' or 'none'");
      const misspelt = { reducton: 'sum' } as LossOptions;
      expectError(() => loss(x, x, misspelt), 'ERR_OPTION', `${name} has no option 'reducton'`);
      const elsewhere = Tensor.zeros(x.shape, { device: 'javascript' });
      if (device !== 'javascript') expectError(() => loss(x, elsewhere), 'ERR_DEVICE', name);
    },
  );

  it('refuse options out of range', () => {
    const x = frames(1);
    expectError(() => huberLoss(x, x, { delta: 0 }), 'ERR_OPTION', 'delta', 'got 0');
    const balanced = (thresholds: number[], weights: number[]) => () =>
      balancedMseMae(x, x, { thresholds, weights });
    expectError(balanced([1, 2], [1, 2]), 'ERR_OPTION', 'weights: expected 3 numbers');
    expectError(balanced([2, 1], [1, 2, 3]), 'ERR_OPTION', 'ascending', '[2, 1]');
    expectError(balanced([1], [1, Number.NaN]), 'ERR_OPTION', 'finite');
    expectError(() => ssimLoss(x.slice([0, 0, 3]), x.slice([0, 0, 3])), 'ERR_SHAPE', '[11, 11]');
    expectError(() => crossEntropyLoss(x.flatten(), x.flatten()), 'ERR_SHAPE', '[B, C, ...]');
  });

  it('ssimLoss is 1 - ssim', async () => {
    const [x, y] = [frames(3), frames(4)];
    const losses = await ssimLoss(x, y, { reduction: 'none' }).data();
    for (const [index, loss] of losses.entries()) {
      const score = ssim(x.select(0, index).dataSync(), y.select(0, index).dataSync(), [12, 13]);
      expect(loss).toBeCloseTo(1 - score, 5);
    }
    expect(await ssimLoss(x, x).item()).toBeCloseTo(0, 6);
  });

  it('crossEntropyLoss is NaN for a target that is not a class', async () => {
    const logits = Tensor.from(randomValues(12, 5), [4, 3], { device });
    const target = Tensor.from([0, 3, -1, 2], undefined, { device });
    const losses = await crossEntropyLoss(logits, target, { reduction: 'none' }).data();
    expect([...losses].map(Number.isNaN)).toEqual([false, true, true, false]);
  });

  it('propagate NaN', async () => {
    const x = frames(1);
    const broken = x.mul(Number.NaN);
    for (const [, loss] of alike) {
      expect(await loss(broken, x).item()).toBeNaN();
    }
  });
});

describe('losses on the fallback', () => {
  const device = 'javascript';
  it.each(alike)('%s has the gradient of finite differences', (_, loss) => {
    // Between 0.1 and 0.9, no two closer than a finite-difference step.
    const values = randomValues(169, 6, 0.1).map((value) => value + 0.25);
    const x = Tensor.from(values, [1, 13, 13], { device });
    const y = Tensor.from(randomValues(169, 7, 0.1), [1, 13, 13], { device }).add(0.7);
    const settings = { step: 2e-3, tolerance: 5e-3 };
    for (const reduction of ['mean', 'sum', 'none'] as const) {
      expectTrueGradients([x.clone()], ([input]) => [loss(input!, y, { reduction })], settings);
    }
  });

  it('crossEntropyLoss has the gradient of finite differences', () => {
    const x = Tensor.from(randomValues(24, 8, 2), [2, 4, 3], { device });
    const classes = Tensor.from([0, 1, 2, 3, 0, 1], [2, 3], { device });
    const shares = Tensor.from(randomValues(24, 9, 0.5), [2, 4, 3], { device }).add(0.5);
    for (const reduction of ['mean', 'sum', 'none'] as const) {
      expectTrueGradients([x.clone()], ([input]) => [
        crossEntropyLoss(input!, classes, { reduction }),
      ]);
      expectTrueGradients([x.clone(), shares.clone()], ([input, target]) => [
        crossEntropyLoss(input!, target!, { reduction }),
      ]);
    }
  });
});
