import { dropout } from '../functional/index.js';
import { checkNames, checkProbability } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** Options of `Dropout`. */
export interface DropoutOptions {
  /** Probability of an element to become 0; default 0.5. */
  p?: number | undefined;
}

/**
 * While training, each element is 0 with probability `p`, else 1 / (1 - p) times as large; after
 * `eval()` nothing changes. The elements depend on `manualSeed`, not on device or thread count.
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
  /** Probability of an element to become 0. */
  readonly p: number;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(options: DropoutOptions = {}) {
    super();
    checkNames('Dropout', options, { p: true });
    this.p = checkProbability('p', options.p ?? 0.5);
  }

  /** From any shape to the same. */
  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, this.p) : x.clone();
  }
}
