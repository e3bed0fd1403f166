import type { BinaryOp, Shape, Storage } from '../../binding.js';
import { computeOne, valuesOf } from './storage.js';
import { elementCount, gather, rowMajorStrides } from './strided.js';

// Math.max and Math.min propagate NaN, as NumPy and PyTorch do.
const kFunctions: Record<BinaryOp, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => (a > b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
};

export function binary(
  op: BinaryOp,
  a: Storage,
  aShape: Shape,
  b: Storage,
  bShape: Shape,
  outShape: Shape,
): Storage {
  return computeOne([a, b], elementCount(outShape), (out) => {
    const left = broadcast(valuesOf(a), aShape, outShape, out.length);
    const right = broadcast(valuesOf(b), bShape, outShape, out.length);
    const apply = kFunctions[op];
    for (let i = 0; i < out.length; i++) out[i] = apply(left[i]!, right[i]!);
  });
}

function broadcast(
  values: Float32Array,
  shape: Shape,
  outShape: Shape,
  length: number,
): Float32Array {
  if (values.length === length) return values;
  const strides = rowMajorStrides(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
  const leading = new Array<number>(outShape.length - shape.length).fill(0);
  const expanded = new Float32Array(length);
  gather(expanded, values, outShape, [...leading, ...strides]);
  return expanded;
}
