import { pixelShuffle, pixelUnshuffle } from '../functional/index.js';
import { checkCount } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/**
 * Reassembles frames from patches: [..., C * r * r, H, W] to [..., C, H * r, W * r], as PyTorch's
 * `nn.PixelShuffle(r)`.
 *
 * @example
 * ```ts
 * new PixelShuffle(4).forward(Tensor.zeros([1, 16, 16, 16])).shape; // [1, 1, 64, 64]
 * ```
 */
export class PixelShuffle extends Module {
  /** Factor by which height and width grow. */
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
 * Cuts frames into patches: [..., C, H * r, W * r] to [..., C * r * r, H, W], as PyTorch's
 * `nn.PixelUnshuffle(r)`.
 *
 * @example
 * ```ts
 * new PixelUnshuffle(4).forward(Tensor.zeros([1, 1, 64, 64])).shape; // [1, 16, 16, 16]
 * ```
 */
export class PixelUnshuffle extends Module {
  /** Factor by which height and width shrink. */
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
