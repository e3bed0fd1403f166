import { describe, expect, it } from 'vitest';
import { Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

describe.each(devices)('shapes on %s', (device) => {
  const arange = (...shape: number[]) => {
    const size = shape.reduce((product, each) => product * each, 1);
    return Tensor.from(
      Array.from({ length: size }, (_, k) => k),
      shape,
      { device },
    );
  };

  it('reshapes, also with -1, and shares memory safely', () => {
    const x = arange(2, 6);
    const y = x.reshape([3, -1, 2]);
    expect(y.shape).toEqual([3, 2, 2]);
    x.dispose();
    expect(y.toArraySync()).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      [
        [4, 5],
        [6, 7],
      ],
      [
        [8, 9],
        [10, 11],
      ],
    ]);
    y.dispose();
    expectError(() => y.reshape([12]), 'ERR_DISPOSED', '[3, 2, 2]');
    expectError(() => arange(2, 3).reshape([4, -1]), 'ERR_SHAPE', '[2, 3] has 6', '[4, -1]');
    expectError(() => arange(2, 3).reshape([-1, -1]), 'ERR_SHAPE');
    expectError(() => Tensor.zeros([0], { device }).reshape([0, -1]), 'ERR_SHAPE');
  });

  it('flattens, squeezes, unsqueezes', () => {
    const x = arange(2, 1, 3, 1);
    expect(x.flatten().shape).toEqual([6]);
    expect(x.flatten(1).shape).toEqual([2, 3]);
    expect(x.flatten(0, 1).shape).toEqual([2, 3, 1]);
    expect(x.squeeze().shape).toEqual([2, 3]);
    expect(x.squeeze(-1).shape).toEqual([2, 1, 3]);
    expect(x.unsqueeze(0).shape).toEqual([1, 2, 1, 3, 1]);
    expect(x.unsqueeze(-1).shape).toEqual([2, 1, 3, 1, 1]);
    expectError(() => x.squeeze(0), 'ERR_SHAPE', 'size 2');
    expectError(() => x.unsqueeze(5), 'ERR_SHAPE', 'from -5 to 4, got 5');
  });

  it('permutes and transposes', () => {
    const x = arange(2, 3);
    expect(x.transpose().toArraySync()).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    expect(arange(2, 3, 4).transpose(0, -1).shape).toEqual([4, 3, 2]);
    expect(arange(2, 3, 4).permute([-1, 0, 1]).select(0, 1).toArraySync()).toEqual([
      [1, 5, 9],
      [13, 17, 21],
    ]);
    expect(Tensor.zeros([2, 0, 3], { device }).permute([2, 0, 1]).shape).toEqual([3, 2, 0]);
    expectError(() => x.permute([0, 0]), 'ERR_SHAPE', '[0, 0]');
    expectError(() => x.permute([0]), 'ERR_SHAPE', '[0]');
  });

  // Expected: numpy.arange(10)[start:end:step].
  it.each([
    [2, 5, 1, [2, 3, 4]],
    [null, null, 3, [0, 3, 6, 9]],
    [-3, null, 1, [7, 8, 9]],
    [-30, -8, 1, [0, 1]],
    [1, -1, 4, [1, 5]],
    [5, 5, 1, []],
    [7, 2, 1, []],
    [8, 99, 1, [8, 9]],
    [12, 99, 1, []],
  ])('slices [%s:%s:%s]', (start, end, step, expected) => {
    expect(arange(10).slice([start], [end], [step]).toArraySync()).toEqual(expected);
  });

  it('slices several axes and keeps the others whole', () => {
    const x = arange(3, 4, 2);
    expect(x.slice([1, -2], [2]).toArraySync()).toEqual([
      [
        [12, 13],
        [14, 15],
      ],
    ]);
    expect(x.slice([null, 0], [], [2, 3]).toArraySync()).toEqual([
      [
        [0, 1],
        [6, 7],
      ],
      [
        [16, 17],
        [22, 23],
      ],
    ]);
    expectError(() => x.slice([0, 0, 0, 0]), 'ERR_SHAPE', 'starts has 4 entries', '3 axes');
    expectError(() => x.slice([0.5]), 'ERR_SHAPE', 'starts: expected integers, got [0.5]');
    expectError(
      () => x.slice([0], [1], [0]),
      'ERR_SHAPE',
      'steps: expected integers of at least 1, got [0]',
    );
    expectError(() => x.slice([0], [1], [-1]), 'ERR_SHAPE', 'steps', '[-1]');
  });

  it('selects', () => {
    const x = arange(2, 3);
    expect(x.select(0, -1).toArraySync()).toEqual([3, 4, 5]);
    expect(x.select(1, 1).toArraySync()).toEqual([1, 4]);
    expect(x.select(0, 0).select(0, 2).itemSync()).toBe(2);
    expectError(() => x.select(1, 3), 'ERR_SHAPE', 'index 3', 'axis 1', '[2, 3]');
    expectError(() => x.select(2, 0), 'ERR_SHAPE', 'got 2');
  });

  it('concatenates and stacks', () => {
    const a = arange(2, 2);
    const b = arange(2, 1);
    expect(Tensor.concat([a, b], 1).toArraySync()).toEqual([
      [0, 1, 0],
      [2, 3, 1],
    ]);
    expect(Tensor.concat([a, Tensor.zeros([0, 2], { device }), a]).shape).toEqual([4, 2]);
    expect(Tensor.stack([a, a], -1).toArraySync()).toEqual([
      [
        [0, 0],
        [1, 1],
      ],
      [
        [2, 2],
        [3, 3],
      ],
    ]);
    expect(Tensor.stack([arange(), arange()]).toArraySync()).toEqual([0, 0]);
    expectError(() => Tensor.concat([a, b]), 'ERR_SHAPE', 'parts[1]', '[any, 2]', '[2, 1]');
    expectError(() => Tensor.stack([a, b]), 'ERR_SHAPE', 'parts[1]', '[2, 2]', '[2, 1]');
    expectError(() => Tensor.concat([]), 'ERR_OPTION', 'got an empty array');
    expectError(() => Tensor.concat([arange()]), 'ERR_SHAPE', 'axis');
  });
});
