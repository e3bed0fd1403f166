import type { BinaryOp, Shape } from '../../binding.js';
import { record, type Tensors } from '../autograd/tape.js';
import { deviceOf, runTensor } from '../tensor/operands.js';
import { broadcastShapes } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { sumTo } from './expand.js';
import { neg } from './unary.js';

/** A tensor, or a number for a tensor of shape []. */
export type Operand = Tensor | number;

/** Records `y = op(a, b)`. */
type Rule = (a: Tensor, b: Tensor, y: Tensor) => void;

/** `gradA` and `gradB` return gradients of the shape of y; the sum over broadcast axes follows. */
function rule<Saved extends Tensors>(
  save: (a: Tensor, b: Tensor, y: Tensor) => Saved,
  gradA: (grad: Tensor, saved: Saved) => Tensor,
  gradB: (grad: Tensor, saved: Saved) => Tensor,
): Rule {
  return (a, b, y) => {
    const [aShape, bShape] = [a.shape, b.shape];
    record({ a, b }, y, save(a, b, y), (grad, saved, wants) => ({
      a: wants.a ? reduced(gradA(grad, saved), aShape) : null,
      b: wants.b ? reduced(gradB(grad, saved), bShape) : null,
    }));
  };
}

/** The sum over broadcast axes. Takes over `grad`. */
function reduced(grad: Tensor, shape: Shape): Tensor {
  try {
    return sumTo(grad, shape);
  } finally {
    grad.dispose();
  }
}

const nothing = () => ({});
const same = (grad: Tensor) => grad.detach();

const kAdd = rule(nothing, same, same);

const kSub = rule(nothing, same, neg);

const kMul = rule(
  (a, b) => ({ a: b.requiresGrad ? a : null, b: a.requiresGrad ? b : null }),
  (grad, { b }) => mul(grad, b!),
  (grad, { a }) => mul(grad, a!),
);

const kDiv = rule(
  (_, b, y) => ({ b, y: b.requiresGrad ? y : null }),
  (grad, { b }) => div(grad, b),
  (grad, { b, y }) => {
    using product = mul(grad, y!);
    using quotient = div(product, b);
    return neg(quotient);
  },
);

/** `grad` where `larger` is the larger, half of it where both are equal. */
function chosen(grad: Tensor, larger: Tensor, smaller: Tensor): Tensor {
  using above = greater(larger, smaller);
  using ties = equal(larger, smaller);
  using half = mul(ties, 0.5);
  using share = add(above, half);
  return mul(grad, share);
}

const both = (a: Tensor, b: Tensor) => ({ a, b });

const kMaximum = rule(
  both,
  (grad, { a, b }) => chosen(grad, a, b),
  (grad, { a, b }) => chosen(grad, b, a),
);

const kMinimum = rule(
  both,
  (grad, { a, b }) => chosen(grad, b, a),
  (grad, { a, b }) => chosen(grad, a, b),
);

function compute(op: BinaryOp, a: Tensor, b: Tensor): Tensor {
  const device = deviceOf(op, { a, b });
  const shape = broadcastShapes(op, a.shape, b.shape);
  return runTensor(device, shape, (backend) =>
    backend.binary(op, a.storage, a.shape, b.storage, b.shape, shape),
  );
}

function binary(op: BinaryOp, a: Operand, b: Operand, rule: Rule | null): Tensor {
  if (typeof a === 'number') return withScalar(a, b, (scalar) => binary(op, scalar, b, rule));
  if (typeof b === 'number') return withScalar(b, a, (scalar) => binary(op, a, scalar, rule));
  const y = compute(op, a, b);
  rule?.(a, b, y);
  return y;
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

/**
 * `a + b`, element by element. Shapes broadcast by NumPy's rules, as in all functions of two operands.
 *
 * @throws ConvLSTMError ERR_SHAPE for shapes that do not broadcast, ERR_DEVICE for two devices
 * @example
 * ```ts
 * Tensor.ones([2, 3]).add(Tensor.ones([3])).shape; // [2, 3]
 * ```
 */
export function add(a: Operand, b: Operand): Tensor {
  return binary('add', a, b, kAdd);
}

/** `a - b`, element by element. */
export function sub(a: Operand, b: Operand): Tensor {
  return binary('sub', a, b, kSub);
}

/** `a * b`, element by element. */
export function mul(a: Operand, b: Operand): Tensor {
  return binary('mul', a, b, kMul);
}

/** `a / b`, element by element. */
export function div(a: Operand, b: Operand): Tensor {
  return binary('div', a, b, kDiv);
}

/** The larger of each pair; NaN if either is NaN. */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary('maximum', a, b, kMaximum);
}

/** The smaller of each pair; NaN if either is NaN. */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary('minimum', a, b, kMinimum);
}

/** 1 where `a > b`, else 0; 0 for NaN. Has no gradient. */
export function greater(a: Operand, b: Operand): Tensor {
  return binary('greater', a, b, null);
}

/** 1 where `a` equals `b`, else 0; 0 for NaN. Has no gradient. */
export function equal(a: Operand, b: Operand): Tensor {
  return binary('equal', a, b, null);
}
