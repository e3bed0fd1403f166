import { describe, expect, it } from 'vitest';
import { Tensor, type TensorSource } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

describe.each(devices)('Tensor.from on %s', (device) => {
  const values = (source: TensorSource, shape?: number[]) =>
    Tensor.from(source, shape, { device }).toArraySync();

  it('accepts nested arrays, numbers and empty arrays', () => {
    expect(
      values([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(values(7)).toBe(7);
    expect(values([])).toEqual([]);
    expect(Tensor.from([[], []], undefined, { device }).shape).toEqual([2, 0]);
    expect(values([1, 2, 3, 4], [2, 2])).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it.each([
    new Float32Array([1, 2, 3, 250]),
    new Float64Array([1, 2, 3, 250]),
    new Int16Array([1, 2, 3, 250]),
    new Uint16Array([1, 2, 3, 250]),
    new Int32Array([1, 2, 3, 250]),
    new Uint32Array([1, 2, 3, 250]),
    new Uint8Array([1, 2, 3, 250]),
    new Uint8ClampedArray([1, 2, 3, 250]),
    new BigInt64Array([1n, 2n, 3n, 250n]),
    new BigUint64Array([1n, 2n, 3n, 250n]),
    Buffer.from([1, 2, 3, 250]),
  ])('converts %o', (source) => {
    expect(values(source)).toEqual([1, 2, 3, 250]);
    expect(values(source, [2, 2])).toEqual([
      [1, 2],
      [3, 250],
    ]);
    expect(values({ data: source, shape: [4, 1] })).toEqual([[1], [2], [3], [250]]);
  });

  it('keeps NaN, infinities and negative zero', () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];
    expect([...Tensor.from(odd, undefined, { device }).dataSync()]).toEqual(odd);
    expect([...Tensor.from(Float64Array.from(odd), undefined, { device }).dataSync()]).toEqual(odd);
  });

  it('copies: a later write to the source has no effect', () => {
    const source = new Float32Array([1, 2]);
    const tensor = Tensor.from(source, [2], { device });
    source[0] = 9;
    expect(tensor.toArraySync()).toEqual([1, 2]);
  });

  it('returns a new array for each call of data', async () => {
    const tensor = Tensor.from([1, 2], undefined, { device });
    (await tensor.data())[0] = 9;
    expect(await tensor.toArray()).toEqual([1, 2]);
  });

  it('accepts a tensor, with another shape or device', () => {
    const tensor = Tensor.from([1, 2, 3, 4], undefined, { device });
    const moved = Tensor.from(tensor, [2, 2], { device: 'javascript' });
    tensor.dispose();
    expect(moved.device).toBe('javascript');
    expect(moved.toArraySync()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('fills', () => {
    expect(Tensor.zeros([2, 1], { device }).toArraySync()).toEqual([[0], [0]]);
    expect(Tensor.ones([], { device }).toArraySync()).toBe(1);
    expect(Tensor.full([2], -2.5, { device }).toArraySync()).toEqual([-2.5, -2.5]);
    expect(Tensor.zeros([3, 0], { device }).size).toBe(0);
  });
});

describe('Tensor.from refuses', () => {
  it('ragged arrays, naming the place', () => {
    expectError(
      () => Tensor.from([[1, 2], [3]]),
      'ERR_SHAPE',
      'data[1]: expected 2 entries, got 1',
    );
    expectError(
      () =>
        Tensor.from([
          [[1], [2]],
          [[3], 4 as unknown as number[]],
        ]),
      'ERR_SHAPE',
      'data[1][1]: expected 1 entries, got number',
    );
    expectError(
      () => Tensor.from([1, [2]]),
      'ERR_DTYPE',
      'data[1]: expected a number, got an array',
    );
  });

  it('sources without numbers', () => {
    const wrong = ['1', null, undefined, {}, () => 1, new DataView(new ArrayBuffer(4))];
    for (const source of wrong) {
      expectError(() => Tensor.from(source as unknown as number), 'ERR_OPTION', 'data');
    }
    for (const source of [[true], ['1']]) {
      expectError(() => Tensor.from(source as unknown as number), 'ERR_DTYPE', 'data[0]');
    }
  });

  it('shapes that do not fit, and values that are not shapes', () => {
    expectError(() => Tensor.from([1, 2, 3], [2, 2]), 'ERR_SHAPE', '3 elements', '[2, 2] has 4');
    expectError(() => Tensor.zeros([-1]), 'ERR_SHAPE', '[-1]');
    expectError(() => Tensor.zeros([1.5]), 'ERR_SHAPE', '[1.5]');
    expectError(() => Tensor.zeros([2 ** 21, 2 ** 20]), 'ERR_OUT_OF_MEMORY', '1099511627776');
    expectError(() => Tensor.zeros([2 ** 50, 0]), 'ERR_OUT_OF_MEMORY');
    expectError(() => Tensor.zeros(3 as unknown as number[]), 'ERR_OPTION', 'got 3');
  });

  it('fortranOrder and half-precision bits', () => {
    const data = new Uint16Array(4);
    expectError(
      () => Tensor.from({ data, shape: [2, 2], fortranOrder: true }),
      'ERR_OPTION',
      'fortranOrder: true',
    );
    expectError(
      () => Tensor.from({ data, shape: [2, 2], dtype: 'float16' }),
      'ERR_DTYPE',
      'float16',
      'Uint16Array',
    );
  });

  it('unknown and absent devices', () => {
    expectError(() => Tensor.zeros([1], { device: 'gpu' as 'cpu' }), 'ERR_OPTION', `got 'gpu'`);
    expectError(() => Tensor.zeros([1], { device: 'cuda:7' }), 'ERR_DEVICE', `'cuda:7'`);
  });
});
