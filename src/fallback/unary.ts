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
};

export function unary(op: UnaryOp, x: Storage, alpha: number): Storage {
  return computeOne([x], x.length, (out) => {
    const values = valuesOf(x);
    const apply = kFunctions[op];
    for (let i = 0; i < out.length; i++) out[i] = apply(values[i]!, alpha);
  });
}
