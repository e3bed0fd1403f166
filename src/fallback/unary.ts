import type { Storage, UnaryOp } from '../../binding.js';
import { computeOne, valuesOf } from './storage.js';

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

const kFunctions: Record<UnaryOp, (x: number, alpha: number) => number> = {
  neg: (x) => -x,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sigmoid,
  tanh: Math.tanh,
  relu: (x) => Math.max(0, x),
  leakyRelu: (x, alpha) => (x < 0 ? alpha * x : x),
  square: (x) => x * x,
  softplus: (x) => Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x))),
};

/** Gradient of x from the result's gradient and `saved`: result or x, as binding.d.ts says. */
const kGradients: Record<UnaryOp, (saved: number, grad: number, alpha: number) => number> = {
  neg: (_, grad) => -grad,
  abs: (x, grad) => (x > 0 ? grad : x < 0 ? -grad : 0),
  exp: (y, grad) => grad * y,
  log: (x, grad) => grad / x,
  sqrt: (y, grad) => grad / (2 * y),
  sigmoid: (y, grad) => grad * (1 - y) * y,
  tanh: (y, grad) => grad * (1 - y * y),
  relu: (y, grad) => (y <= 0 ? 0 : grad),
  leakyRelu: (x, grad, alpha) => (x > 0 ? grad : grad * alpha),
  square: (x, grad) => 2 * grad * x,
  softplus: (x, grad) => grad * sigmoid(x),
};

export function unary(op: UnaryOp, x: Storage, alpha: number): Storage {
  return computeOne([x], x.length, (out) => {
    const values = valuesOf(x);
    const apply = kFunctions[op];
    for (let i = 0; i < out.length; i++) out[i] = apply(values[i]!, alpha);
  });
}

export function unaryBackward(op: UnaryOp, saved: Storage, grad: Storage, alpha: number): Storage {
  return computeOne([saved, grad], grad.length, (out) => {
    const values = valuesOf(saved);
    const grads = valuesOf(grad);
    const apply = kGradients[op];
    for (let i = 0; i < out.length; i++) out[i] = apply(values[i]!, grads[i]!, alpha);
  });
}
