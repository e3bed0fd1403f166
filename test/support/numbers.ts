import { expect } from 'vitest';

/** Seeded generator of uniform numbers in [0, 1): mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` float32 numbers, uniform in [-scale, scale). */
export function randomValues(length: number, seed: number, scale = 1): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length }, () => (next() * 2 - 1) * scale);
}

export function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}

/** The largest absolute value. */
export function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let index = 0; index < values.length; index++)
    most = Math.max(most, Math.abs(values[index]!));
  return most;
}

/** The largest absolute difference; infinite if only one of two elements is NaN. */
export function maxError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let index = 0; index < expected.length; index++) {
    if (Object.is(actual[index], expected[index])) continue;
    const error = Math.abs(actual[index]! - expected[index]!);
    if (Number.isNaN(error)) return Number.POSITIVE_INFINITY;
    if (error > worst) worst = error;
  }
  return worst;
}

export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  expect(maxError(actual, expected)).toBeLessThanOrEqual(tolerance);
}

export function expectSameBits(actual: Float32Array, expected: Float32Array): void {
  const bits = (values: Float32Array) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  expect(bits(actual).equals(bits(expected))).toBe(true);
}
