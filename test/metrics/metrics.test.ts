import { describe, expect, it } from 'vitest';
import { absoluteError, crossEntropy, squaredError, ssim } from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { randomValues } from '../support/numbers.js';

describe.each(loadFixture<object>('metrics'))('$options.name', ({ tensors }) => {
  const forecast = Float32Array.from(tensors.get('forecast')!.values);
  const truth = Float32Array.from(tensors.get('truth')!.values);
  const size = tensors.get('truth')!.shape as [number, number];
  const scores = [...tensors.get('scores')!.values];

  it('matches errors and SSIM computed in float64', () => {
    const got = [
      squaredError(forecast, truth),
      absoluteError(forecast, truth),
      crossEntropy(forecast, truth),
      ssim(forecast, truth, size),
    ];
    for (const [i, score] of got.entries()) expect(score / scores[i]!).toBeCloseTo(1, 9);
  });
});

describe('ssim', () => {
  const frame = randomValues(400, 1);

  it('is 1 for equal frames and symmetric', () => {
    const other = randomValues(400, 2);
    expect(ssim(frame, frame, [20, 20])).toBeCloseTo(1, 12);
    expect(ssim(frame, other, [20, 20])).toBeCloseTo(ssim(other, frame, [20, 20]), 12);
  });

  it.each<[string, number, [number, number], RegExp]>([
    [
      'a frame lower than the window',
      200,
      [10, 20],
      /size: expected at least \[11, 11\], got \[10,20\]/,
    ],
    ['a frame narrower than the window', 200, [20, 10], /size: expected at least/],
    ['values that do not fit the size', 399, [20, 20], /forecast: expected 400 values/],
  ])('refuses %s', (_, length, size, message) => {
    expect(() => ssim(new Float32Array(length), new Float32Array(length), size)).toThrow(message);
  });
});

it.each([squaredError, absoluteError, crossEntropy])(
  '%o refuses unequal or no frames',
  (metric) => {
    const message = /forecast: expected \d values like the truth, got \d/;
    expect(() => metric(new Float32Array(2), new Float32Array(3))).toThrow(message);
    expect(() => metric(new Float32Array(0), new Float32Array(0))).toThrow(message);
  },
);
