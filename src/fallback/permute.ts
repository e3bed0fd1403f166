import type { Shape, Storage } from '../../binding.js';
import { computeOne, valuesOf } from './storage.js';
import { gather, rowMajorStrides } from './strided.js';

export function permute(x: Storage, shape: Shape, order: readonly number[]): Storage {
  const strides = rowMajorStrides(shape);
  const sizes = order.map((axis) => shape[axis]!);
  return computeOne([x], x.length, (out) =>
    gather(
      out,
      valuesOf(x),
      sizes,
      order.map((axis) => strides[axis]!),
    ),
  );
}
