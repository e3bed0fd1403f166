// In a file, and so a process, of its own: what other tests leave to the collector would be counted.
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
  it.each(losses.map((loss) => [loss.name, loss] as const))(
    '%s leaves nothing behind but its result',
    async (_, loss) => {
      using x = Tensor.rand([2, 4, 16, 16], { device: 'cpu' });
      using y = Tensor.rand([2, 4, 16, 16], { device: 'cpu' });
      await y.data();
      const before = liveBytes();
      const value = loss(x, y);
      await value.data();
      expect(liveBytes()).toBeGreaterThan(before);
      value.dispose();
      expect(liveBytes()).toBe(before);
    },
  );
});
