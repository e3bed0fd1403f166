import { describe, expect, it } from 'vitest';
import { persistence, scoreByLeadTime, squaredError, ssim } from '../../src/index.js';
import { expectError } from '../support/errors.js';
import { randomValues } from '../support/numbers.js';

const shape = [2, 3, 2, 11, 12];
const area = 11 * 12;
const array = (seed: number) => ({
  data: randomValues(2 * 3 * 2 * area, seed).map((value) => (value + 1) / 2),
  shape,
});

it.each<[string, (...values: unknown[]) => unknown, unknown[]]>([
  ['frames: expected { data: Float32Array, shape }, got undefined', persistence as never, []],
  ['frames: expected { data: Float32Array, shape }, got 3', persistence as never, [3, 1]],
  ['truth: expected { data: Float32Array, shape }, got undefined', scoreByLeadTime as never, []],
  ['forecast: expected { data: Float32Array', scoreByLeadTime as never, [{ shape }, array(1)]],
  ['forecast: expected a Float32Array, got undefined', ssim as never, []],
  ['truth: expected a Float32Array, got [1]', ssim as never, [new Float32Array(1), [1]]],
  ['forecast: expected a Float32Array, got undefined', squaredError as never, []],
])('names the wrong argument: %s', (message, call, values) => {
  expectError(() => call(...values), 'ERR_OPTION', message);
});

it('ssim names a malformed size', () => {
  const frame = new Float32Array(area);
  expectError(
    () => ssim(frame, frame, undefined as never),
    'ERR_OPTION',
    'size: expected',
    'undefined',
  );
});

describe('persistence', () => {
  it('repeats the last frame of each sequence', () => {
    const data = Float32Array.from({ length: 8 }, (_, i) => i);
    expect(persistence({ data, shape: [2, 2, 1, 1, 2] }, 3)).toEqual({
      data: Float32Array.of(2, 3, 2, 3, 2, 3, 6, 7, 6, 7, 6, 7),
      shape: [2, 3, 1, 1, 2],
    });
  });

  it('refuses malformed sequences and numbers of steps', () => {
    const flat = { data: new Float32Array(4), shape: [1, 1, 2, 2] };
    expect(() => persistence(flat, 1)).toThrow(
      'frames: expected [B, T, C, H, W], got [1, 1, 2, 2]',
    );
    const short = { data: new Float32Array(3), shape: [1, 1, 1, 2, 2] };
    expect(() => persistence(short, 1)).toThrow(
      'frames: expected 4 values for [1, 1, 1, 2, 2], got 3',
    );
    expect(() => persistence(array(1), 0)).toThrow('steps: expected a positive integer, got 0');
    expect(() => persistence(array(1), 1e15)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
    );
  });
});

describe('scoreByLeadTime', () => {
  it('averages over the batch; sums channels, averages them for SSIM', () => {
    const [forecast, truth] = [array(1), array(2)];
    const scores = scoreByLeadTime(forecast, truth);
    const planes = (lead: number) =>
      [0, 1].flatMap((n) => [0, 1].map((channel) => ((n * 3 + lead) * 2 + channel) * area));
    const cut = ({ data }: { data: Float32Array }, at: number) => data.subarray(at, at + area);
    for (let lead = 0; lead < 3; lead++) {
      const squared = planes(lead).map((at) => squaredError(cut(forecast, at), cut(truth, at)));
      const similar = planes(lead).map((at) => ssim(cut(forecast, at), cut(truth, at), [11, 12]));
      const sum = (values: number[]) => values.reduce((a, b) => a + b);
      expect(scores.squaredError[lead]).toBeCloseTo(sum(squared) / 2, 9);
      expect(scores.ssim[lead]).toBeCloseTo(sum(similar) / 4, 9);
    }
    expect(Object.values(scores).map((values) => values.length)).toEqual([3, 3, 3, 3]);
  });

  it('gives the truth perfect scores', () => {
    const {
      squaredError: squared,
      absoluteError,
      ssim: similar,
    } = scoreByLeadTime(array(1), array(1));
    expect([squared, absoluteError]).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    for (const value of similar) expect(value).toBeCloseTo(1, 12);
  });

  it('refuses arrays of different shapes', () => {
    const other = { data: array(1).data, shape: [3, 2, 2, 11, 12] };
    expect(() => scoreByLeadTime(other, array(1))).toThrow(
      'forecast: expected [2, 3, 2, 11, 12] like the truth, got [3, 2, 2, 11, 12]',
    );
  });

  it('refuses frames smaller than the window of SSIM', () => {
    const small = { data: new Float32Array(110), shape: [1, 1, 1, 10, 11] };
    expect(() => scoreByLeadTime(small, small)).toThrow(
      'truth: expected frames of at least 11x11, got [1, 1, 1, 10, 11]',
    );
  });
});
