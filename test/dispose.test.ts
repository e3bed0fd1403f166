// dispose() frees at once, is idempotent, and never pulls memory from under a queued operation.
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { backendInfo, ConvLSTM, emptyCache, Tensor } from '../src/index.js';

const net = new ConvLSTM({ inputDim: 2, hiddenDim: 8, kernelSize: 3, batchFirst: true });
const disposed = expect.objectContaining({ name: 'ConvLSTMError', code: 'ERR_DISPOSED' });
const liveBytes = () => backendInfo().memory.liveBytes;

describe('a tensor', () => {
  it('is refused after dispose, which may be called twice', async () => {
    const x = Tensor.ones([4]);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(x.shape).toEqual([4]);
    expect(() => x.mul(2)).toThrow(disposed);
    expect(() => x.reshape([2, 2])).toThrow(disposed);
    expect(() => x.dataSync()).toThrow(disposed);
    await expect(x.data()).rejects.toEqual(disposed);
  });

  it('may be disposed of while operations that read it wait', async () => {
    const x = Tensor.ones([1, 6, 2, 32, 32]);
    const { outputs, states } = net.forward(x);
    const twice = outputs[0]!.mul(2);
    const expected = await net
      .forward(Tensor.ones([1, 6, 2, 32, 32]))
      .outputs[0]!.mul(2)
      .data();
    for (const tensor of [x, ...outputs, ...states.flatMap(({ h, c }) => [h, c])]) tensor.dispose();
    expect(await twice.data()).toEqual(expected);
  });

  it('may be disposed of while data() is on its way', async () => {
    const output = net.forward(Tensor.ones([1, 6, 2, 32, 32])).outputs[0]!;
    const pending = output.data();
    output.dispose();
    expect((await pending).length).toBe(6 * 8 * 32 * 32);
  });

  it('shares its memory with a reshape, which outlives it', async () => {
    const x = Tensor.from([1, 2, 3, 4]);
    const square = x.reshape([2, 2]);
    x.dispose();
    expect(await square.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('hands out arrays of the caller’s own', async () => {
    const x = Tensor.ones([3]);
    const first = await x.data();
    first.fill(7);
    structuredClone(first.buffer, { transfer: [first.buffer] });
    expect(await x.data()).toEqual(Float32Array.of(1, 1, 1));
    const source = Float32Array.of(1, 2, 3);
    const copy = Tensor.from(source);
    source.fill(0);
    expect(await copy.data()).toEqual(Float32Array.of(1, 2, 3));
  });

  it('goes at the end of its block with using', () => {
    let outer: Tensor;
    {
      using inner = Tensor.ones([2]);
      outer = inner;
      expect(inner.disposed).toBe(false);
    }
    expect(outer.disposed).toBe(true);
  });

  it('gives its memory back at once', async () => {
    const bytes = 4 * 2 ** 24; // beside which what earlier tests left to the collector is little
    const before = liveBytes();
    const x = Tensor.ones([2 ** 24]);
    await x.data();
    expect(liveBytes() - before).toBeGreaterThan(bytes / 2);
    x.dispose();
    await Tensor.ones([1]).data(); // the queue has come past it
    expect(liveBytes() - before).toBeLessThan(bytes / 2);
    emptyCache();
    expect(backendInfo().memory.cachedBytes).toBe(0);
  });
});

describe('what a training step keeps for backward()', () => {
  it('is smaller at medium: 10 bytes a channel, pixel and step in place of 20', async () => {
    const [batch, time, hidden, side] = [2, 8, 32, 32];
    const elements = batch * time * hidden * side * side;
    const kept = async (precision: 'high' | 'medium') => {
      const layer = new ConvLSTM({
        inputDim: 1,
        hiddenDim: hidden,
        kernelSize: 3,
        batchFirst: true,
      });
      layer.to({ precision });
      using x = Tensor.ones([batch, time, 1, side, side]);
      await x.data();
      const before = liveBytes();
      const { outputs, states } = layer.forward(x);
      await states[0]!.c.data();
      const bytes = liveBytes() - before - 4 * elements; // without the output
      outputs[0]!.sum().backward();
      const gradients = layer.parameters().map(({ grad }) => grad!);
      const results = [...outputs, ...states.flatMap(({ h, c }) => [h, c])];
      for (const tensor of [...results, ...gradients]) tensor.dispose(); // not when it is collected
      layer.dispose();
      return bytes / elements;
    };
    // The states are a byte of it.
    const [high, medium] = [await kept('high'), await kept('medium')];
    expect(high - medium).toBeGreaterThan(9.25);
    expect(high - medium).toBeLessThan(10.25);
    expect(medium).toBeLessThan(12);
  });
});

describe('a stream', () => {
  it('is refused after dispose; its clone goes on', async () => {
    const stream = net.stream();
    const frame = Tensor.ones([1, 2, 8, 8]);
    stream.step(frame);
    const clone = stream.clone();
    const expected = await stream.step(frame).data();
    stream.dispose();
    stream.dispose();
    expect(() => stream.step(frame)).toThrow(disposed);
    expect(() => stream.reset()).toThrow(disposed);
    expect(() => stream.clone()).toThrow(disposed);
    await expect(stream.save()).rejects.toEqual(disposed);
    expect(await clone.step(frame).data()).toEqual(expected);
  });
});

describe('a module', () => {
  it('disposes of its parameters', () => {
    const other = new ConvLSTM({ inputDim: 1, hiddenDim: 2, kernelSize: 1 });
    other.dispose();
    other.dispose();
    expect(() => other.forward(Tensor.zeros([1, 1, 1, 2, 2]))).toThrow(disposed);
  });
});

it('V8 counts what tensors hold, and collects what nobody refers to', async () => {
  const [count, bytes] = [100, 4 * 2 ** 22];
  const before = liveBytes();
  let most = 0;
  for (let round = 0; round < count; round++) {
    Tensor.ones([bytes / 4]);
    await Tensor.ones([1]).data();
    await setImmediate(); // where finalizers run
    most = Math.max(most, liveBytes() - before);
  }
  expect(most).toBeLessThan((count * bytes) / 2);
});
