import { expect, it } from 'vitest';
import { manualSeed, setRandomState, Tensor } from '../../src/index.js';
import { philox4x32 } from '../../src/philox.js';
import { expectError } from '../support/errors.js';

// Known answers of the authors of Philox (Random123, kat_vectors).
it.each([
  [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    '408f276d 41c83b0e a20bc7c6 6d5451fd',
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  ],
])('philox4x32(%j, %j)', (counter, key, expected) => {
  const block = Uint32Array.from(counter);
  philox4x32(block, key[0]!, key[1]!);
  expect(Array.from(block, (word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(expected);
});

it('a seed fixes the values, on every call and device', () => {
  manualSeed(7);
  const first = [Tensor.rand([5]), Tensor.randn([5])].map((tensor) => tensor.toArraySync());
  manualSeed(7);
  const options = { device: 'javascript' } as const;
  const second = [Tensor.rand([5], options), Tensor.randn([5], options)];
  expect(second.map((tensor) => tensor.toArraySync())).toEqual(first);
  manualSeed(8);
  expect(Tensor.rand([5]).toArraySync()).not.toEqual(first[0]);
  // The upper half of a long seed matters too.
  manualSeed(7 + 2 ** 40);
  expect(Tensor.rand([5]).toArraySync()).not.toEqual(first[0]);
});

it('rand is uniform and randn normal', () => {
  manualSeed(1);
  const count = 100_000;
  const moments = (values: Float32Array) => {
    const mean = values.reduce((sum, x) => sum + x, 0) / count;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count;
    const fourth = values.reduce((sum, x) => sum + (x - mean) ** 4, 0) / count;
    return [mean, variance, fourth / variance ** 2] as const;
  };
  const even = Tensor.rand([count]).dataSync();
  const [mean, variance] = moments(even);
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.005);
  expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.002);
  expect(even.every((x) => x >= 0 && x < 1)).toBe(true);
  const [center, spread, kurtosis] = moments(Tensor.randn([count]).dataSync());
  expect(Math.abs(center)).toBeLessThan(0.015);
  expect(Math.abs(spread - 1)).toBeLessThan(0.02);
  expect(Math.abs(kurtosis - 3)).toBeLessThan(0.1);
});

it('refuses bad seeds', () => {
  for (const seed of [-1, 1.5, Number.NaN, 2 ** 53]) {
    expectError(() => manualSeed(seed), 'ERR_OPTION', String(seed));
  }
  expectError(() => setRandomState(undefined as never), 'ERR_OPTION', 'got undefined');
});
