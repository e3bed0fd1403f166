import { leakyRelu, relu, sigmoid, tanh } from '../functional/index.js';
import { checkNames } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** `1 / (1 + exp(-x))` as a module, for `Sequential`. */
export class Sigmoid extends Module {
  /** Any shape in, the same shape out. */
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** The hyperbolic tangent as a module, for `Sequential`. */
export class Tanh extends Module {
  /** Any shape in, the same shape out. */
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** `max(x, 0)` as a module, for `Sequential`. */
export class ReLU extends Module {
  /** Any shape in, the same shape out. */
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** Options of `LeakyReLU`. */
export interface LeakyReLUOptions {
  /** Factor of negative elements; default 0.01. */
  negativeSlope?: number | undefined;
}

/** `x` for positive elements, `negativeSlope * x` for others, as a module for `Sequential`. */
export class LeakyReLU extends Module {
  /** Factor of negative elements. */
  readonly negativeSlope: number;

  constructor(options: LeakyReLUOptions = {}) {
    super();
    checkNames('LeakyReLU', options, { negativeSlope: true });
    this.negativeSlope = options.negativeSlope ?? 0.01;
  }

  /** Any shape in, the same shape out. */
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }
}
