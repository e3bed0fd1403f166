import type { BinaryOp } from '../../binding.js';
import { broadcastShapes } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { deviceOf, runTensor } from './run.js';

/** A tensor, or a number that stands for one of shape []. */
export type Operand = Tensor | number;

function binary(op: BinaryOp, a: Operand, b: Operand): Tensor {
  if (typeof a === 'number') return withScalar(a, b, (scalar) => binary(op, scalar, b));
  if (typeof b === 'number') return withScalar(b, a, (scalar) => binary(op, a, scalar));
  const device = deviceOf(op, { a, b });
  const shape = broadcastShapes(op, a.shape, b.shape);
  return runTensor(device, shape, (backend) =>
    backend.binary(op, a.storage, a.shape, b.storage, b.shape, shape),
  );
}

function withScalar(value: number, beside: Operand, use: (scalar: Tensor) => Tensor): Tensor {
  const options = typeof beside === 'number' ? {} : { device: beside.device };
  const scalar = Tensor.full([], value, options);
  try {
    return use(scalar);
  } finally {
    scalar.dispose();
  }
}

/** `a + b`; shapes broadcast by NumPy's rules, as in all the functions of two operands. */
export function add(a: Operand, b: Operand): Tensor {
  return binary('add', a, b);
}

/** `a - b` */
export function sub(a: Operand, b: Operand): Tensor {
  return binary('sub', a, b);
}

/** `a * b`, element by element. */
export function mul(a: Operand, b: Operand): Tensor {
  return binary('mul', a, b);
}

/** `a / b`, element by element. */
export function div(a: Operand, b: Operand): Tensor {
  return binary('div', a, b);
}

/** The larger of each pair; NaN where either is. */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary('maximum', a, b);
}

/** The smaller of each pair; NaN where either is. */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary('minimum', a, b);
}
