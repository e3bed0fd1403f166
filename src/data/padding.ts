import { checkNdArray, type NdArray } from '../io/nd-array.js';
import { checkCount, checkSize, type Size } from '../options.js';
import { refuseShape } from '../tensor/shape.js';

/** Crops the frames of an array, or pads them with `fill`, at the bottom and right. */
function resize({ data, shape }: Readonly<NdArray>, size: Size, fill: number): NdArray {
  const [oldHeight = 0, oldWidth = 0] = shape.slice(-2);
  const [height, width] = size as [number, number];
  if (height === oldHeight && width === oldWidth) return { data, shape: [...shape] };
  const leading = shape.slice(0, -2);
  const frames = leading.reduce((product, length) => product * length, 1);
  const resized = new Float32Array(frames * height * width).fill(fill);
  const columns = Math.min(width, oldWidth);
  for (let frame = 0; frame < frames; frame++) {
    for (let row = 0; row < Math.min(height, oldHeight); row++) {
      const from = (frame * oldHeight + row) * oldWidth;
      resized.set(data.subarray(from, from + columns), (frame * height + row) * width);
    }
  }
  return { data: resized, shape: [...leading, height, width] };
}

function checkFrames(name: string, frames: Readonly<NdArray>): void {
  checkNdArray(name, frames);
  if (frames.shape.length < 2) refuseShape(name, '[..., H, W]', frames.shape);
}

/** [height, width] rounded up to multiples of `patchSize`. @internal */
export function paddedSize(shape: readonly number[], patchSize: number): [number, number] {
  const up = (side: number) => Math.ceil(side / patchSize) * patchSize;
  return [up(shape.at(-2)!), up(shape.at(-1)!)];
}

/**
 * Pads frames at the bottom and right to multiples of `patchSize`, as `convlstm forecast` and `convlstm
 * train` do. Frames that fit already are returned with the same data.
 *
 * @param frames [..., H, W]
 * @param fill value of the padding; default 0
 * @throws ConvLSTMError ERR_SHAPE, ERR_OPTION
 * @example
 * ```ts
 * const radar = { data: new Float32Array(765 * 700), shape: [1, 765, 700] };
 * padFrames(radar, 4).shape; // [1, 768, 700]
 * ```
 */
export function padFrames(frames: Readonly<NdArray>, patchSize: number, fill = 0): NdArray {
  checkFrames('padFrames: frames', frames);
  checkCount('patchSize', patchSize);
  return resize(frames, paddedSize(frames.shape, patchSize), fill);
}

/**
 * Crops frames to their upper left part: the inverse of `padFrames`.
 *
 * @param frames [..., H, W]
 * @param size [height, width], at most those of the frames
 * @throws ConvLSTMError ERR_SHAPE, ERR_OPTION
 * @example
 * ```ts
 * const padded = { data: new Float32Array(768 * 700), shape: [1, 768, 700] };
 * cropFrames(padded, [765, 700]).shape; // [1, 765, 700]
 * ```
 */
export function cropFrames(frames: Readonly<NdArray>, size: Size): NdArray {
  checkFrames('cropFrames: frames', frames);
  const [height, width] = checkSize('size', size);
  if (height > frames.shape.at(-2)! || width > frames.shape.at(-1)!) {
    refuseShape('cropFrames: frames', `at least ${height}x${width} pixels`, frames.shape);
  }
  return resize(frames, [height, width], 0);
}
