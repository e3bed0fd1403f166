import type { History } from '../autograd/tape.js';
import { ConvLSTMError } from '../errors.js';
import { StoredTensor } from './stored-tensor.js';
import type { Tensor } from './tensor.js';

/** The part of a tensor that knows how it was computed, and what `backward()` found for it. */
export abstract class RecordedTensor extends StoredTensor {
  /**
   * What `backward()` has added up for a leaf that requires it; null before, and for all others. Set it
   * to null, or let an optimizer's `zeroGrad()` do so, to start afresh.
   */
  grad: Tensor | null = null;
  /**
   * How this tensor was computed, where that was recorded.
   *
   * @internal
   */
  history: History | null = null;
  #requiresGrad = false;

  /**
   * Whether `backward()` finds a gradient for this tensor. Set it on a leaf; what is computed from one
   * requires it too, except inside `noGrad`.
   *
   * @throws ConvLSTMError ERR_OPTION when set on the result of a recorded operation
   * @example
   * ```ts
   * const x = Tensor.from([1, 2, 3]);
   * x.requiresGrad = true;
   * x.square().sum().backward();
   * await x.grad!.toArray(); // [2, 4, 6]
   * ```
   */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.history !== null;
  }

  /** Of leaves only. */
  set requiresGrad(value: boolean) {
    if (this.history) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        'requiresGrad: expected a leaf, got the result of a recorded operation; detach() it first',
      );
    }
    this.#requiresGrad = value;
  }

  /** Whether no recorded operation made this tensor. */
  get isLeaf(): boolean {
    return this.history === null;
  }

  override dispose(): void {
    super.dispose();
    this.history = null;
  }
}
