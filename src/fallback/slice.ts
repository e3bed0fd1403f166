import type { Shape, Storage } from '../../binding.js';
import { computeOne, valuesOf } from './storage.js';
import { elementCount, gather, rowMajorStrides } from './strided.js';

export function slice(
  x: Storage,
  shape: Shape,
  starts: readonly number[],
  sizes: readonly number[],
  steps: readonly number[],
): Storage {
  const strides = rowMajorStrides(shape);
  const offset = strides.reduce((sum, stride, axis) => sum + starts[axis]! * stride, 0);
  return computeOne([x], elementCount(sizes), (out) =>
    gather(
      out,
      valuesOf(x),
      sizes,
      strides.map((stride, axis) => stride * steps[axis]!),
      offset,
    ),
  );
}
