import { pixelShuffle, pixelUnshuffle } from '../functional/index.js';
import { checkCount } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/**
 * [..., C * r * r, H, W] to [..., C, H * r, W * r], as PyTorch's `nn.PixelShuffle(r)`.
 *
 * @example
 * ```ts
 * new PixelShuffle(4).forward(Tensor.zeros([1, 16, 16, 16])).shape; // [1, 1, 64, 64]
 * ```
 */
export class PixelShuffle extends Module {
  /** How many times higher and wider frames become. */
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = checkCount('upscaleFactor', upscaleFactor);
  }

  /** From [..., C * r * r, H, W] to [..., C, H * r, W * r]. */
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
  /** How many times lower and narrower frames become. */
  readonly downscaleFactor: number;

  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = checkCount('downscaleFactor', downscaleFactor);
  }

  /** From [..., C, H * r, W * r] to [..., C * r * r, H, W]. */
  forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.downscaleFactor);
  }
}
