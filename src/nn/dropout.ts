import { dropout } from '../functional/index.js';
import { checkNames, checkProbability } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** Options of `Dropout`. */
export interface DropoutOptions {
  /** Probability with which an element becomes 0; default 0.5. */
  p?: number | undefined;
}

/**
 * Dropout: while training each element becomes 0 with probability `p`, or is scaled by 1 / (1 - p);
 * after `eval()` it is the identity. The mask depends on `manualSeed`, not on device or thread count.
 *
 * @example
 * ```ts
 * const head = new Sequential(
 *   new Dropout({ p: 0.2 }),
 *   new Conv2d({ inChannels: 64, outChannels: 1, kernelSize: 1 }),
 * );
 * ```
 */
export class Dropout extends Module {
  /** Probability with which an element becomes 0. */
  readonly p: number;

  /** @throws ConvLSTMError ERR_OPTION for an unknown option or a value out of range */
  constructor(options: DropoutOptions = {}) {
    super();
    checkNames('Dropout', options, { p: true });
    this.p = checkProbability('p', options.p ?? 0.5);
  }

  /** Any shape in, the same shape out. */
  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, this.p) : x.clone();
  }
}
