import type { BinaryOp, Shape } from '../../binding.js';
import { record } from '../autograd/tape.js';
import { broadcastShapes } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { sumTo } from './expand.js';
import { deviceOf, runTensor } from './run.js';
import { neg } from './unary.js';

/** A tensor, or a number that stands for one of shape []. */
export type Operand = Tensor | number;

/** Operand or result, as far as the rule asked for it. */
type Saved = readonly (Tensor | null)[];

/** How the gradient of a result becomes that of an operand; before the sum over what was broadcast. */
interface Rule {
  saved(a: Tensor, b: Tensor, y: Tensor): Saved;
  gradA(grad: Tensor, saved: Saved): Tensor;
  gradB(grad: Tensor, saved: Saved): Tensor;
}

const kAdd: Rule = {
  saved: () => [],
  gradA: (grad) => grad.detach(),
  gradB: (grad) => grad.detach(),
};

const kSub: Rule = { ...kAdd, gradB: neg };

const kMul: Rule = {
  saved: (a, b) => [b.requiresGrad ? a : null, a.requiresGrad ? b : null],
  gradA: (grad, [, b]) => mul(grad, b!),
  gradB: (grad, [a]) => mul(grad, a!),
};

const kDiv: Rule = {
  saved: (_, b, y) => [b, b.requiresGrad ? y : null],
  gradA: (grad, [b]) => div(grad, b!),
  gradB: (grad, [b, y]) => {
    using product = mul(grad, y!);
    using quotient = div(product, b!);
    return neg(quotient);
  },
};

/** The gradient goes where the result came from, and in halves where both were equal. */
function chosen(grad: Tensor, larger: Tensor, smaller: Tensor): Tensor {
  using above = greater(larger, smaller);
  using ties = equal(larger, smaller);
  using half = mul(ties, 0.5);
  using share = add(above, half);
  return mul(grad, share);
}

const kMaximum: Rule = {
  saved: (a, b) => [a, b],
  gradA: (grad, [a, b]) => chosen(grad, a!, b!),
  gradB: (grad, [a, b]) => chosen(grad, b!, a!),
};

const kMinimum: Rule = { ...kMaximum, gradA: kMaximum.gradB, gradB: kMaximum.gradA };

function compute(op: BinaryOp, a: Tensor, b: Tensor): Tensor {
  const device = deviceOf(op, { a, b });
  const shape = broadcastShapes(op, a.shape, b.shape);
  return runTensor(device, shape, (backend) =>
    backend.binary(op, a.storage, a.shape, b.storage, b.shape, shape),
  );
}

function reduced(grad: Tensor, shape: Shape): Tensor {
  try {
    return sumTo(grad, shape);
  } finally {
    grad.dispose();
  }
}

function binary(op: BinaryOp, a: Operand, b: Operand, rule: Rule | null): Tensor {
  if (typeof a === 'number') return withScalar(a, b, (scalar) => binary(op, scalar, b, rule));
  if (typeof b === 'number') return withScalar(b, a, (scalar) => binary(op, a, scalar, rule));
  const y = compute(op, a, b);
  if (rule) {
    const [aShape, bShape] = [a.shape, b.shape];
    record([a, b], [y], rule.saved(a, b, y), ([grad], saved, [wantsA, wantsB]) => [
      wantsA ? reduced(rule.gradA(grad!, saved), aShape) : null,
      wantsB ? reduced(rule.gradB(grad!, saved), bShape) : null,
    ]);
  }
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

/** `a + b`; shapes broadcast by NumPy's rules, as in all the functions of two operands. */
export function add(a: Operand, b: Operand): Tensor {
  return binary('add', a, b, kAdd);
}

/** `a - b` */
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

/** The larger of each pair; NaN where either is. */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary('maximum', a, b, kMaximum);
}

/** The smaller of each pair; NaN where either is. */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary('minimum', a, b, kMinimum);
}

/** 1 where `a > b`, else 0, also where either is NaN; nothing to differentiate. */
export function greater(a: Operand, b: Operand): Tensor {
  return binary('greater', a, b, null);
}

/** 1 where `a` and `b` are equal, else 0, also where either is NaN; nothing to differentiate. */
export function equal(a: Operand, b: Operand): Tensor {
  return binary('equal', a, b, null);
}
