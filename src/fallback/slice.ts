import type { Shape, Storage } from '../../binding.js';
import { computeOne, valuesOf } from './storage.js';
import { elementCount, gather, rowMajorStrides, scatter } from './strided.js';

/** Offset and strides of a slice in its source. */
function placesOf(shape: Shape, starts: readonly number[], steps: readonly number[]) {
  const strides = rowMajorStrides(shape);
  return {
    strides: strides.map((stride, axis) => stride * steps[axis]!),
    offset: strides.reduce((sum, stride, axis) => sum + starts[axis]! * stride, 0),
  };
}

export function slice(
  x: Storage,
  shape: Shape,
  starts: readonly number[],
  sizes: readonly number[],
  steps: readonly number[],
): Storage {
  const { strides, offset } = placesOf(shape, starts, steps);
  return computeOne([x], elementCount(sizes), (out) =>
    gather(out, valuesOf(x), sizes, strides, offset),
  );
}

export function sliceBackward(
  grad: Storage,
  shape: Shape,
  starts: readonly number[],
  sizes: readonly number[],
  steps: readonly number[],
): Storage {
  const { strides, offset } = placesOf(shape, starts, steps);
  return computeOne([grad], elementCount(shape), (out) =>
    scatter(out, valuesOf(grad), sizes, strides, offset),
  );
}
