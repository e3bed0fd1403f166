import { ConvLSTMError, show } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** A module with one tensor in and one out. */
export interface Layer extends Module {
  /** Computes the module's output; the module defines its shape. */
  forward(x: Tensor): Tensor;
}

/**
 * A chain of layers, as PyTorch's `nn.Sequential`. State-dict keys: `0.weight`, `1.weight`, ...
 * Intermediate results are disposed after use.
 *
 * @example
 * ```ts
 * const head = new Sequential(
 *   new Conv2d({ inChannels: 64, outChannels: 16, kernelSize: 1 }),
 *   new Sigmoid(),
 *   new PixelShuffle(4),
 * );
 * ```
 */
export class Sequential extends Module {
  readonly [index: number]: Layer;
  /** Number of layers. */
  readonly length: number;

  /** @throws ConvLSTMError ERR_OPTION for anything but modules with `forward` */
  constructor(...layers: Layer[]) {
    super();
    layers.forEach((layer, index) => {
      if (layer instanceof Module && typeof layer.forward === 'function') return;
      const message = `Sequential: expected modules with forward(), got ${show(layer)} at ${index}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    });
    Object.assign(this, layers); // properties 0, 1, ...
    this.length = layers.length;
  }

  /** Runs all layers; does not dispose `x`. */
  forward(x: Tensor): Tensor {
    let result = x;
    for (let k = 0; k < this.length; k++) {
      const next = this[k]!.forward(result);
      if (result !== x && result !== next) result.dispose();
      result = next;
    }
    return result;
  }
}
