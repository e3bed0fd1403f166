import type { Shape } from '../../binding.js';

export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function rowMajorStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/**
 * Writes to `out`, row-major, the elements of `source` that lie at
 * `offset + sum(index[axis] * strides[axis])` for every index below `sizes`.
 */
export function gather(
  out: Float32Array,
  source: Float32Array,
  sizes: Shape,
  strides: readonly number[],
  offset = 0,
): void {
  const inner = sizes.length === 0 ? 1 : sizes.at(-1)!;
  const innerStride = strides.at(-1) ?? 0;
  const index = new Array<number>(sizes.length).fill(0);
  let from = offset;
  for (let to = 0; to < out.length; ) {
    for (let k = 0, at = from; k < inner; k++, at += innerStride) out[to++] = source[at]!;
    for (let axis = sizes.length - 2; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      from -= sizes[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
}
