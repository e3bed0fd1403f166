// In its own file and process: garbage of other tests would be counted.
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  Adam,
  backendInfo,
  clipGradNorm,
  clipGradValue,
  mseLoss,
  Parameter,
  RMSprop,
  SGD,
  Tensor,
} from '../../src/index.js';

/** Waits, because the queue releases an operation's storages a moment after its result. */
async function settledBytes(): Promise<number> {
  await setTimeout(50);
  return backendInfo().memory.liveBytes;
}

describe.skipIf(!backendInfo().binary.loaded)('memory of a training step', () => {
  it.each([
    ['SGD', SGD],
    ['RMSprop', RMSprop],
    ['Adam', Adam],
  ] as const)('%s holds as much after ten steps as after one', async (_, Kind) => {
    const place = { device: 'cpu' } as const;
    expect(await settledBytes()).toBe(0);
    using x = Tensor.rand([8, 16], place);
    using target = Tensor.rand([8, 16], place);
    // Parameters share these elements until the first step; no garbage is left.
    using firstScale = Tensor.rand([1, 16], place);
    using firstShift = Tensor.rand([8, 1], place);
    using scale = new Parameter(firstScale);
    using shift = new Parameter(firstShift);
    const parameters = [scale, shift];
    using optimizer = new Kind(parameters, Kind === Adam ? {} : { momentum: 0.9 });
    const step = async () => {
      using scaled = x.mul(scale);
      using shifted = scaled.add(shift);
      using loss = mseLoss(shifted, target);
      loss.backward();
      using norm = clipGradNorm(parameters, 1);
      clipGradValue(parameters, 0.5);
      optimizer.step();
      optimizer.zeroGrad();
      await norm.data();
      await shift.data();
    };
    await step();
    const before = await settledBytes();
    for (let k = 0; k < 9; k++) await step();
    expect(await settledBytes()).toBe(before);
    expect(before).toBeGreaterThan(0);
  });
});
