import type { ReduceOp, Shape, Storage } from '../../binding.js';
import { computeOne, valuesOf } from './storage.js';
import { elementCount, gather, rowMajorStrides } from './strided.js';

export function reduce(op: ReduceOp, x: Storage, shape: Shape, axes: readonly number[]): Storage {
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const outerCount = elementCount(kept.map((axis) => shape[axis]!));
  const innerCount = elementCount(axes.map((axis) => shape[axis]!));
  return computeOne([x], outerCount, (out) => {
    const rows = withReducedAxesLast(valuesOf(x), shape, [...kept, ...axes]);
    for (let i = 0; i < out.length; i++) {
      let result = op === 'max' ? Number.NEGATIVE_INFINITY : 0;
      for (let k = i * innerCount; k < (i + 1) * innerCount; k++) {
        result = op === 'max' ? Math.max(result, rows[k]!) : result + rows[k]!;
      }
      out[i] = op === 'mean' ? result / innerCount : result;
    }
  });
}

function withReducedAxesLast(
  values: Float32Array,
  shape: Shape,
  order: readonly number[],
): Float32Array {
  if (order.every((axis, position) => axis === position)) return values;
  const strides = rowMajorStrides(shape);
  const rows = new Float32Array(values.length);
  gather(
    rows,
    values,
    order.map((axis) => shape[axis]!),
    order.map((axis) => strides[axis]!),
  );
  return rows;
}
