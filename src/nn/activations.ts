import { leakyRelu, relu, sigmoid, tanh } from '../functional/index.js';
import { checkNames } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** `1 / (1 + exp(-x))` as a module, for `Sequential`. */
export class Sigmoid extends Module {
  /** From any shape to the same. */
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** The hyperbolic tangent as a module, for `Sequential`. */
export class Tanh extends Module {
  /** From any shape to the same. */
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** `max(x, 0)` as a module, for `Sequential`. */
export class ReLU extends Module {
  /** From any shape to the same. */
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** Options of `LeakyReLU`. */
export interface LeakyReLUOptions {
  /** What negative elements are multiplied with; default 0.01. */
  negativeSlope?: number | undefined;
}

/** Each element, or `negativeSlope` times it where it is negative, as a module for `Sequential`. */
export class LeakyReLU extends Module {
  /** What negative elements are multiplied with. */
  readonly negativeSlope: number;

  constructor(options: LeakyReLUOptions = {}) {
    super();
    checkNames('LeakyReLU', options, { negativeSlope: true });
    this.negativeSlope = options.negativeSlope ?? 0.01;
  }

  /** From any shape to the same. */
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }
}
