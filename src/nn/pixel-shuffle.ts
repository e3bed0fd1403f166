import { pixelShuffle, pixelUnshuffle } from '../functional/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import { checkCount } from './options.js';

/**
 * [..., C * r * r, H, W] to [..., C, H * r, W * r], as PyTorch's `nn.PixelShuffle(r)`.
 *
 * @example
 * ```ts
 * new PixelShuffle(4).forward(Tensor.zeros([1, 16, 16, 16])).shape; // [1, 1, 64, 64]
 * ```
 */
export class PixelShuffle extends Module {
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = checkCount('upscaleFactor', upscaleFactor);
  }

  forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.upscaleFactor);
  }
}

/**
 * [..., C, H * r, W * r] to [..., C * r * r, H, W], as PyTorch's `nn.PixelUnshuffle(r)`: cuts frames to
 * patches.
 *
 * @example
 * ```ts
 * new PixelUnshuffle(4).forward(Tensor.zeros([1, 1, 64, 64])).shape; // [1, 16, 16, 16]
 * ```
 */
export class PixelUnshuffle extends Module {
  readonly downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = checkCount('downscaleFactor', downscaleFactor);
  }

  forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.downscaleFactor);
  }
}
