import { ConvLSTMError, show } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** A module from one tensor to one tensor. */
export interface Layer extends Module {
  /** From one tensor to one of the shape that the module says. */
  forward(x: Tensor): Tensor;
}

/**
 * Layers one after another, as PyTorch's `nn.Sequential`: state-dict keys `0.weight`, `1.weight`, ...
 * What lies between two layers is disposed as soon as it has been used.
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

  /** @throws ConvLSTMError ERR_OPTION for what is no module with `forward` */
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

  /** Through all layers; `x` is not disposed. */
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
