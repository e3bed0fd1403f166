// In a file, and so a process, of its own: what other tests leave to the collector would be counted.
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

const liveBytes = () => backendInfo().memory.liveBytes;

describe.skipIf(!backendInfo().binary.loaded)('memory of a training step', () => {
  it.each([
    ['SGD', SGD],
    ['RMSprop', RMSprop],
    ['Adam', Adam],
  ] as const)('%s holds as much after ten steps as after one', async (_, Kind) => {
    const place = { device: 'cpu' } as const;
    using x = Tensor.rand([8, 16], place);
    using target = Tensor.rand([8, 16], place);
    const parameters = [
      new Parameter(Tensor.rand([1, 16], place)),
      new Parameter(Tensor.rand([8, 1], place)),
    ];
    using optimizer = new Kind(parameters, Kind === Adam ? {} : { momentum: 0.9 });
    const step = async () => {
      using scaled = x.mul(parameters[0]!);
      using shifted = scaled.add(parameters[1]!);
      using loss = mseLoss(shifted, target);
      loss.backward();
      using norm = clipGradNorm(parameters, 1);
      clipGradValue(parameters, 0.5);
      optimizer.step();
      optimizer.zeroGrad();
      await norm.data();
      await parameters[1]!.data();
    };
    await step();
    // The queue lets go of an operation's storages a moment after its result is there.
    const settled = async () => {
      await setTimeout(50);
      return liveBytes();
    };
    const before = await settled();
    for (let k = 0; k < 9; k++) await step();
    expect(await settled()).toBe(before);
    expect(before).toBeGreaterThan(0);
  });
});
