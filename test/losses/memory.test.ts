// In its own file and process: garbage of other tests would be counted.
import { describe, expect, it } from 'vitest';
import {
  backendInfo,
  balancedMseMae,
  bceLoss,
  bceWithLogitsLoss,
  crossEntropyLoss,
  huberLoss,
  l1Loss,
  mseLoss,
  ssimLoss,
  Tensor,
} from '../../src/index.js';

const losses = [
  mseLoss,
  l1Loss,
  huberLoss,
  bceLoss,
  bceWithLogitsLoss,
  crossEntropyLoss,
  balancedMseMae,
  ssimLoss,
];

const liveBytes = () => backendInfo().memory.liveBytes;

describe.skipIf(!backendInfo().binary.loaded)('memory of losses', () => {
  it('is that of the results alone', async () => {
    using x = Tensor.rand([2, 4, 16, 16], { device: 'cpu' });
    using y = Tensor.rand([2, 4, 16, 16], { device: 'cpu' });
    const before = liveBytes();
    for (const loss of losses) {
      const value = loss(x, y);
      await value.data();
      expect(liveBytes()).toBeGreaterThan(before);
      value.dispose();
      // The queue releases an operation's storages a moment after its result.
      await expect.poll(liveBytes, { message: loss.name }).toBe(before);
    }
  });
});
