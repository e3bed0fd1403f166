// In its own file and process: garbage of other tests would be counted.
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { convLstmStack } from '../../src/functional/conv-lstm-stack.js';
import {
  Adam,
  backendInfo,
  Forecaster,
  loadModel,
  manualSeed,
  mseLoss,
  noGrad,
  safetensors,
  Tensor,
} from '../../src/index.js';

vi.mock('../../src/functional/conv-lstm-stack.js', { spy: true });

const device = { device: 'cpu' } as const;
const description = { version: 1, hiddenDim: [16, 8], patchSize: 2 } as const;

/** Waits, because the queue releases an operation's storages a moment after its result. */
async function settledBytes(): Promise<number> {
  await setTimeout(50);
  return backendInfo().memory.liveBytes;
}

async function weightsFile(): Promise<Uint8Array> {
  using model = new Forecaster(description);
  const metadata = { convlstm: JSON.stringify(description) };
  return await safetensors.save(null, Object.fromEntries(model.namedParameters()), { metadata });
}

/** Memory allocated by a forecast, in multiples of its own bytes. */
async function held(trainable: boolean): Promise<number> {
  using model = await loadModel(await weightsFile(), { trainable });
  using frames = Tensor.rand([1, 6, 1, 16, 16], device);
  using first = noGrad(() => model.forward(frames, 4)); // packs the weights once
  await first.data();
  const before = await settledBytes();
  using forecast = model.forward(frames, 4);
  await forecast.data();
  return ((await settledBytes()) - before) / (4 * forecast.size);
}

describe.skipIf(!backendInfo().binary.loaded)('a loaded model', () => {
  it('holds only its forecast unless it is trainable', async () => {
    expect(await held(false)).toBeLessThan(1.5);
    expect(await held(true)).toBeGreaterThan(20);
  });

  it('runs its layers as one stack', async () => {
    const stack = vi.mocked(convLstmStack).mockClear();
    using model = await loadModel(await weightsFile());
    using frames = Tensor.rand([1, 2, 1, 8, 8], device);
    model.forward(frames, 2).dispose();
    expect(stack.mock.results.map(({ value }) => value?.states.length)).toEqual([2, 2]);
  });

  it('passes gradients to frames with requiresGrad', async () => {
    const model = await loadModel(await weightsFile());
    const frames = Tensor.rand([1, 2, 1, 4, 4]);
    frames.requiresGrad = true;
    model.forward(frames, 1).sum().backward();
    expect(await frames.grad!.abs().sum().item()).toBeGreaterThan(0);
    expect(model.parameters().every(({ grad }) => grad === null)).toBe(true);
  });

  it('learns with trainable; without it the error names the option', async () => {
    manualSeed(1);
    const frames = Tensor.rand([2, 3, 1, 4, 4]);
    const target = Tensor.full([2, 1, 1, 4, 4], 0.9);
    const frozen = await loadModel(await weightsFile());
    expect(frozen.training).toBe(false);
    expect(() => mseLoss(frozen.forward(frames, 1), target).backward()).toThrow(
      /loadModel\(file, \{ trainable: true \}\)/,
    );
    const model = await loadModel(await weightsFile(), { trainable: true });
    expect(model.training).toBe(true);
    const adam = new Adam(model.parameters(), { lr: 1e-2 });
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) {
      const loss = mseLoss(model.forward(frames, 1), target);
      adam.zeroGrad();
      loss.backward();
      adam.step();
      losses.push(await loss.item());
    }
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
  });
});
