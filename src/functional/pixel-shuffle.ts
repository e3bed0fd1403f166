import { checkCount } from '../options.js';
import { expectTensor } from '../tensor/operands.js';
import { refuseShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { permute } from './permute.js';
import { reshape } from './reshape.js';

function rearrange(x: Tensor, split: number[], order: number[], shape: number[]): Tensor {
  const parts = reshape(x, split);
  const moved = permute(parts, order);
  const result = reshape(moved, shape);
  parts.dispose();
  moved.dispose();
  return result;
}

/**
 * [..., C * r * r, H, W] to [..., C, H * r, W * r], as PyTorch's `pixel_shuffle`.
 *
 * @param upscaleFactor r, a positive integer
 * @throws ConvLSTMError ERR_SHAPE unless the channels are a multiple of r * r, ERR_OPTION for r
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  const r = upscaleFactor;
  checkCount('pixelShuffle: factor', r);
  expectTensor('pixelShuffle: input', x);
  const [channels, height, width] = x.shape.slice(-3);
  if (width === undefined || channels! % (r * r) !== 0) {
    refuseShape('pixelShuffle: input', `[..., a multiple of ${r * r}, H, W]`, x.shape);
  }
  const lead = x.shape.slice(0, -3);
  const c = channels! / (r * r);
  const n = lead.length;
  return rearrange(
    x,
    [...lead, c, r, r, height!, width],
    [...lead.keys(), n, n + 3, n + 1, n + 4, n + 2],
    [...lead, c, height! * r, width * r],
  );
}

/**
 * [..., C, H * r, W * r] to [..., C * r * r, H, W], as PyTorch's `pixel_unshuffle`: the pixels of
 * each r by r patch become channels.
 *
 * @param downscaleFactor r, a positive integer
 * @throws ConvLSTMError ERR_SHAPE unless height and width are multiples of r, ERR_OPTION for r
 */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
  const r = downscaleFactor;
  checkCount('pixelUnshuffle: factor', r);
  expectTensor('pixelUnshuffle: input', x);
  const [channels, height, width] = x.shape.slice(-3);
  if (width === undefined || height! % r !== 0 || width % r !== 0) {
    refuseShape(
      'pixelUnshuffle: input',
      `[..., C, a multiple of ${r}, a multiple of ${r}]`,
      x.shape,
    );
  }
  const lead = x.shape.slice(0, -3);
  const h = height! / r;
  const w = width / r;
  const n = lead.length;
  return rearrange(
    x,
    [...lead, channels!, h, r, w, r],
    [...lead.keys(), n, n + 2, n + 4, n + 1, n + 3],
    [...lead, channels! * r * r, h, w],
  );
}
