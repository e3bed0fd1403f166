import { checkNames, refuseOption } from '../options.js';
import { refuseShape } from '../tensor/shape.js';
import { checkNdArray, type NdArray } from './nd-array.js';

/** Bits per grey value in an image file. */
export type BitDepth = 8 | 16;

/** Limit of pixels in a compressed image: 32 Mi, 128 MiB as float32. @internal */
export const kMaxPixels = 2 ** 25;

/** Height and width of a frame [H, W] or [1, H, W]; throws ERR_SHAPE for any other shape. @internal */
export function frameSize(frame: Readonly<NdArray>): [number, number] {
  checkNdArray('frame', frame);
  const { shape } = frame;
  const [height, width] = shape.slice(-2);
  const grey = shape.length === 2 || (shape.length === 3 && shape[0] === 1);
  if (!grey || height === undefined || width === undefined || height * width === 0) {
    refuseShape('frame', '[H, W] or [1, H, W]', shape);
  }
  return [height, width];
}

/** Checks the options of `png` and `pgm`. @internal */
export function bitDepthOf(format: string, options: { bitDepth?: BitDepth | undefined }): BitDepth {
  checkNames(format, options, { bitDepth: true });
  const { bitDepth = 8 } = options;
  if (bitDepth !== 8 && bitDepth !== 16) refuseOption('bitDepth', '8 or 16', bitDepth);
  return bitDepth;
}

/** Converts 0..1 to integers of `bitDepth` bits; clamps values outside, and NaN becomes 0. @internal */
export function quantise(values: Float32Array, bitDepth: BitDepth): Uint8Array | Uint16Array {
  const max = 2 ** bitDepth - 1;
  const levels = bitDepth === 8 ? new Uint8Array(values.length) : new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    levels[i] = value >= 1 ? max : value > 0 ? Math.round(value * max) : 0;
  }
  return levels;
}

/**
 * Luma 0..1 of interleaved R, G, B and further samples. Weights are in thousandths: a grey pixel of any
 * depth becomes an exact fraction.
 *
 * @param samples per pixel
 * @param max largest value of a sample
 * @internal
 */
export function luma(values: ArrayLike<number>, samples: number, max: number): Float32Array {
  const data = new Float32Array(values.length / samples);
  for (let i = 0, at = 0; i < data.length; i++, at += samples) {
    const [r, g, b] = [values[at]!, values[at + 1]!, values[at + 2]!];
    data[i] = (299 * r + 587 * g + 114 * b) / (1000 * max);
  }
  return data;
}

/** Colour of missing pixels, NaN, in pictures: red, green, blue of 255. */
export const kMissingColour = [64, 96, 160] as const;
