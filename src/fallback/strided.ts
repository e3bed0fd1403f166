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
 * Calls `visit(place)` with `offset + sum(index[axis] * strides[axis])` for every index below `sizes`,
 * in row-major order.
 */
function forEachPlace(
  sizes: Shape,
  strides: readonly number[],
  offset: number,
  visit: (place: number) => void,
): void {
  const count = elementCount(sizes);
  const inner = sizes.length === 0 ? 1 : sizes.at(-1)!;
  const innerStride = strides.at(-1) ?? 0;
  const index = new Array<number>(sizes.length).fill(0);
  let from = offset;
  for (let done = 0; done < count; done += inner) {
    for (let k = 0, at = from; k < inner; k++, at += innerStride) visit(at);
    for (let axis = sizes.length - 2; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      from -= sizes[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
}

/** Gathers the elements of `source` at the visited places into `out`, row-major. */
export function gather(
  out: Float32Array,
  source: Float32Array,
  sizes: Shape,
  strides: readonly number[],
  offset = 0,
): void {
  let to = 0;
  forEachPlace(sizes, strides, offset, (place) => {
    out[to++] = source[place]!;
  });
}

/** Scatters the elements of `source`, row-major, to the visited places of `out`. */
export function scatter(
  out: Float32Array,
  source: Float32Array,
  sizes: Shape,
  strides: readonly number[],
  offset: number,
): void {
  let from = 0;
  forEachPlace(sizes, strides, offset, (place) => {
    out[place] = source[from++]!;
  });
}
