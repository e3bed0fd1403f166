import { describe, expect, it } from 'vitest';
import { functional, Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

describe.each(devices)('arithmetic on %s', (device) => {
  const from = (source: number | number[] | number[][]) =>
    Tensor.from(source, undefined, { device });

  it('broadcasts by NumPy rules', () => {
    const row = from([[1, 2, 3]]);
    const column = from([[10], [20]]);
    expect(row.add(column).toArraySync()).toEqual([
      [11, 12, 13],
      [21, 22, 23],
    ]);
    expect(column.sub(row).toArraySync()).toEqual([
      [9, 8, 7],
      [19, 18, 17],
    ]);
    expect(from([1, 2, 3]).mul(column).shape).toEqual([2, 3]);
    expect(from(2).div(row).toArraySync()).toEqual([[2, 1, Math.fround(2 / 3)]]);
    expect(from(2).add(from(3)).shape).toEqual([]);
    expect(Tensor.zeros([3, 1], { device }).add(Tensor.zeros([1, 0], { device })).shape).toEqual([
      3, 0,
    ]);
    expectError(() => row.add(from([1, 2])), 'ERR_SHAPE', 'add: [1, 3] and [2] do not broadcast');
    expectError(() => Tensor.zeros([2]).add(Tensor.zeros([0])), 'ERR_SHAPE');
  });

  it('accepts numbers on either side', () => {
    const x = from([1, 4]);
    expect(x.add(1).toArraySync()).toEqual([2, 5]);
    expect(x.maximum(2).minimum(3).toArraySync()).toEqual([2, 3]);
    expect(functional.sub(10, x).toArraySync()).toEqual([9, 6]);
    expect(functional.div(4, x).toArraySync()).toEqual([4, 1]);
    expectError(
      () => x.add('1' as unknown as number),
      'ERR_OPTION',
      'add',
      "b: expected a Tensor, got '1'",
    );
  });

  it('propagates NaN, in comparisons too', () => {
    const x = from([Number.NaN, 1]);
    for (const result of [x.relu(), x.leakyRelu(), x.maximum(0), x.minimum(0), x.sigmoid()]) {
      expect(result.dataSync()[0]).toBeNaN();
    }
    expect(x.max().itemSync()).toBeNaN();
    expect(
      from([0, Number.NaN])
        .minimum(from([Number.NaN, 0]))
        .toArraySync(),
    ).toEqual([Number.NaN, Number.NaN]);
  });

  it('applies functions', () => {
    const x = from([-2, 0, 3]);
    expect(x.neg().abs().toArraySync()).toEqual([2, 0, 3]);
    expect(x.relu().toArraySync()).toEqual([0, 0, 3]);
    expect(x.leakyRelu(0.5).toArraySync()).toEqual([-1, 0, 3]);
    expect(x.mul(x).sqrt().toArraySync()).toEqual([2, 0, 3]);
    expect(from([-1000, 1000]).sigmoid().toArraySync()).toEqual([0, 1]);
    expect(from([-1000, 1000]).tanh().toArraySync()).toEqual([-1, 1]);
    expect(from([0, -1]).log().toArraySync()).toEqual([Number.NEGATIVE_INFINITY, Number.NaN]);
  });

  it('reduces', () => {
    const x = from([
      [1, 2],
      [3, 6],
    ]);
    expect(x.sum().itemSync()).toBe(12);
    expect(x.sum(0).toArraySync()).toEqual([4, 8]);
    expect(x.mean(-1).toArraySync()).toEqual([1.5, 4.5]);
    expect(x.max([0, 1], { keepDim: true }).toArraySync()).toEqual([[6]]);
    expect(x.sum([1, 0]).shape).toEqual([]);
    expect(x.sum([]).toArraySync()).toEqual([
      [1, 2],
      [3, 6],
    ]);
    expectError(() => x.sum([0, -2]), 'ERR_SHAPE', '[0, -2]');
    expectError(() => x.sum(2), 'ERR_SHAPE', 'sum', 'got 2');
  });

  it('reduces no elements to 0, NaN or an error', () => {
    const none = Tensor.zeros([2, 0], { device });
    expect(none.sum(1).toArraySync()).toEqual([0, 0]);
    expect(none.mean(1).toArraySync()).toEqual([Number.NaN, Number.NaN]);
    expect(none.max(0).shape).toEqual([0]);
    expectError(() => none.max(1), 'ERR_SHAPE', '[2, 0]');
  });

  it('handles empty tensors and single elements', () => {
    expect(Tensor.zeros([0, 3], { device }).exp().add(1).shape).toEqual([0, 3]);
    expect(from(3).mul(2).itemSync()).toBe(6);
  });
});

describe.skipIf(devices.length < 2)('two devices in one process', () => {
  it('copies between them and refuses to mix them', () => {
    const a = Tensor.from([1, 2], undefined, { device: 'cpu' });
    const b = a.to('javascript');
    expect(b.device).toBe('javascript');
    expect(b.to('cpu').add(a).toArraySync()).toEqual([2, 4]);
    expectError(() => a.add(b), 'ERR_DEVICE', `a is on 'cpu' but b is on 'javascript'`);
    expectError(() => Tensor.concat([a, a, b]), 'ERR_DEVICE', 'parts[0]', 'parts[2]');
  });
});
