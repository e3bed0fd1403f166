import { checkNdArray, type NdArray } from '../io/nd-array.js';

/** Frame value of a missing pixel as the network sees it: no rain. */
const kFill = 0;

/**
 * Test for missing values: NaN, an infinity, or the given value in float32.
 *
 * @internal
 */
export function missingTest(missing: number | null): (value: number) => boolean {
  if (missing === null) return (value) => !Number.isFinite(value);
  const given = Math.fround(missing);
  return (value) => value === given || !Number.isFinite(value);
}

/** The index of the first missing value; -1 without one. @internal */
export function firstMissing(values: Float32Array, missing: number | null): number {
  return values.findIndex(missingTest(missing));
}

/**
 * Frames for the network: missing values become 0, the value of no rain. Missing are NaN, infinities and
 * `missing`. Frames without a missing value are returned with the same data.
 *
 * @param frames any shape, in frame units
 * @param missing value of files for missing pixels, such as -9999; default null: none
 * @throws ConvLSTMError ERR_SHAPE, ERR_DTYPE, ERR_OPTION for anything but an array
 * @example
 * ```ts
 * fillMissing({ data: Float32Array.of(1, NaN, -9999), shape: [3] }, -9999).data; // 1, 0, 0
 * ```
 */
export function fillMissing(frames: Readonly<NdArray>, missing: number | null = null): NdArray {
  checkNdArray('fillMissing: frames', frames);
  const { data, shape } = frames;
  if (firstMissing(data, missing) < 0) return { data, shape: [...shape] };
  const isMissing = missingTest(missing);
  return { data: data.map((value) => (isMissing(value) ? kFill : value)), shape: [...shape] };
}

/** Frames with NaN for every missing value. @internal */
export function markMissing(frames: Readonly<NdArray>, missing: number | null): NdArray {
  const { data, shape } = frames;
  if (firstMissing(data, missing) < 0) return { data, shape: [...shape] };
  const isMissing = missingTest(missing);
  return { data: data.map((value) => (isMissing(value) ? NaN : value)), shape: [...shape] };
}
