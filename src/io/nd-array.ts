/**
 * What the readers of this package return and its writers take: row-major values with a shape.
 * Taken wherever a `Tensor` is.
 */
export interface NdArray {
  /** In row-major order. */
  data: Float32Array;
  /** Sizes of the axes, the slowest first; `[]` for a single number. */
  shape: number[];
}

/**
 * The product of `shape`, or null when an entry is no non-negative safe integer or the product is
 * beyond what a number counts exactly.
 *
 * @internal
 */
export function safeElementCount(shape: readonly unknown[]): number | null {
  let count = 1;
  let empty = false;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || (size as number) < 0) return null;
    if (size === 0) empty = true;
    else count *= size as number;
    if (count > Number.MAX_SAFE_INTEGER) return null;
  }
  return empty ? 0 : count;
}
