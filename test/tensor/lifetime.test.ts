import { describe, expect, it } from 'vitest';
import { Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

describe.each(devices)('lifetime on %s', (device) => {
  it('disposes idempotently; later use is an error', async () => {
    const x = Tensor.from([1, 2], undefined, { device });
    expect(x.disposed).toBe(false);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(x.shape).toEqual([2]);
    expectError(() => x.add(1), 'ERR_DISPOSED', '[2]');
    expectError(() => x.dataSync(), 'ERR_DISPOSED');
    expectError(() => x.clone(), 'ERR_DISPOSED');
    await expect(x.data()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await expect(x.toArray()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('disposes at the end of using', () => {
    let kept: Tensor;
    {
      using x = Tensor.ones([1], { device });
      kept = x;
    }
    expect(kept.disposed).toBe(true);
  });

  it('lets clones and reshapes outlive their source, and the reverse', () => {
    const x = Tensor.from([1, 2], undefined, { device });
    const clone = x.clone();
    const column = x.unsqueeze(1);
    column.dispose();
    expect(x.toArraySync()).toEqual([1, 2]);
    x.dispose();
    expect(clone.toArraySync()).toEqual([1, 2]);
    const storage = clone.storage;
    clone.dispose();
    expect(storage.disposed).toBe(true);
  });

  it('keeps operands alive until their results are computed', async () => {
    const x = Tensor.full([1000], 2, { device });
    const y = x.exp();
    x.dispose();
    const pending = y.data();
    y.dispose();
    expect((await pending)[999]).toBeCloseTo(Math.exp(2), 5);
  });
});

describe.each(devices)('errors of running operations on %s', (device) => {
  it('reject data() of the result and of results computed from it', async () => {
    const huge = Tensor.zeros([2 ** 20, 2 ** 20], { device }); // 4 TiB
    const derived = huge.reshape([-1]).slice([0], [2]).add(1);
    for (const tensor of [huge, derived]) {
      await expect(tensor.data()).rejects.toMatchObject({
        name: 'ConvLSTMError',
        code: 'ERR_OUT_OF_MEMORY',
      });
      expectError(() => tensor.dataSync(), 'ERR_OUT_OF_MEMORY');
    }
  });
});

describe('reading', () => {
  it('item needs exactly one element', async () => {
    expect(await Tensor.full([1, 1], 3).item()).toBe(3);
    await expect(Tensor.zeros([2]).item()).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    expectError(() => Tensor.zeros([0]).itemSync(), 'ERR_SHAPE', '[0]');
  });

  it('toString shows shape, device and values, long axes shortened', () => {
    const x = Tensor.from(
      [
        [1, 2.5],
        [-3, 1e-8],
      ],
      undefined,
      { device: 'javascript' },
    );
    expect(String(x)).toBe('Tensor([2, 2], float32, javascript)\n[[1, 2.5000],\n [-3, 1.0000e-8]]');
    expect(String(Tensor.zeros([100]))).toContain('[0, 0, ..., 0, 0]');
    expect(String(Tensor.zeros([2, 0]))).toContain('[[],\n []]');
    expect(String(Tensor.full([], 4))).toContain('\n4');
    x.dispose();
    expect(String(x)).toBe('Tensor([2, 2], float32, javascript, disposed)');
  });
});
