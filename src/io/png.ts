import { inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import {
  type ByteSource,
  type FilePath,
  formatError,
  readBytes,
  sourceName,
  writeBytes,
} from './files.js';
import type { NdArray } from './nd-array.js';
import {
  type BitDepth,
  bitDepthOf,
  frameSize,
  kMaxPixels,
  kMissingColour,
  luma,
  quantise,
} from './pixels.js';

const kSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const kIhdr = 0x49484452;
const kIdat = 0x49444154;
const kActl = 0x6163544c;

/** Adam7: first column, first row, step of columns and of rows of each pass. */
const kPasses = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Bytes of the inflated image: rows of whole bytes, each after its filter's byte. */
function inflatedBytes(width: number, height: number, bits: number, interlaced: boolean): number {
  const passes = interlaced ? kPasses : [[0, 0, 1, 1] as const];
  return passes.reduce((sum, [x, y, dx, dy]) => {
    const columns = Math.ceil((width - x) / dx);
    const rows = Math.ceil((height - y) / dy);
    return columns > 0 && rows > 0 ? sum + rows * (1 + Math.ceil((columns * bits) / 8)) : sum;
  }, 0);
}

/** Options of `encode` and `save`. */
export interface PngOptions {
  /** Bits per pixel, 8 or 16; 8 by default. */
  bitDepth?: BitDepth | undefined;
}

/** @internal */
export function isPng(bytes: Uint8Array): boolean {
  return kSignature.every((byte, i) => bytes[i] === byte);
}

/** Samples per pixel by colour type. */
const kSamples: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
]);

/**
 * Checks that pngjs lacks: it accepts a second header and missing or surplus pixels, and inflates
 * interlaced images without a limit. Here the data must inflate to exactly the size that one header
 * claims.
 */
function checkFile(name: string, bytes: Uint8Array): { depth: number; palette: boolean } {
  if (!isPng(bytes) || bytes.length < 33) throw formatError(name, 'is not a PNG file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const compressed: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const [length, type] = [view.getUint32(at), view.getUint32(at + 4)];
    if ((type === kIhdr) !== (at === 8)) throw formatError(name, 'does not begin with one header');
    if (type === kActl && length >= 4 && at + 12 <= bytes.length && view.getUint32(at + 8) > 1) {
      const images = view.getUint32(at + 8);
      throw formatError(
        name,
        `expected one image, got ${images} (APNG): write each to its own file`,
      );
    }
    if (type === kIdat) compressed.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, colorType, interlace] = [bytes[24]!, bytes[25]!, bytes[28]!];
  const samples = kSamples.get(colorType);
  if (samples === undefined)
    throw formatError(name, `expected colour type 0, 2, 3, 4 or 6, got ${colorType}`);
  if (interlace > 1) throw formatError(name, `expected interlace method 0 or 1, got ${interlace}`);
  if (width * height > kMaxPixels) {
    throw formatError(name, `expected at most ${kMaxPixels} pixels, got ${width}x${height}`);
  }
  const expected = inflatedBytes(width, height, depth * samples, interlace === 1);
  let inflated: number;
  try {
    inflated = inflateSync(Buffer.concat(compressed), { maxOutputLength: expected + 1 }).length;
  } catch (error) {
    throw formatError(name, 'is a damaged PNG file', error);
  }
  if (inflated !== expected) {
    throw formatError(name, `${width}x${height} pixels take ${expected} bytes, got ${inflated}`);
  }
  return { depth, palette: colorType === 3 };
}

/** Decodes bytes; `name` is their name in messages. @internal */
export function decode(name: string, bytes: Uint8Array): NdArray {
  const { depth, palette } = checkFile(name, bytes);
  let image: PNG;
  try {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    image = PNG.sync.read(buffer, { skipRescale: true });
  } catch (error) {
    throw formatError(name, 'is a damaged PNG file', error);
  }
  const { width, height, data: rgba } = image;
  const data = luma(rgba, 4, palette ? 255 : 2 ** depth - 1);
  return { data, shape: [height, width] };
}

/**
 * Reads a PNG image as grey values 0..1, shape [H, W]. Colour becomes luma (0.299 R + 0.587 G +
 * 0.114 B); transparency is ignored.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, several images (APNG) among it, ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * const { data, shape } = await png.load('frame-0001.png');
 * ```
 */
export async function load(source: ByteSource): Promise<NdArray> {
  return decode(sourceName(source), await readBytes(source));
}

/** Red, green, blue, alpha of grey pixels and missing ones. */
function withMissing(
  levels: Uint8Array | Uint16Array,
  values: Float32Array,
  bitDepth: BitDepth,
): Uint8Array | Uint16Array {
  const most = 2 ** bitDepth - 1;
  const missing = kMissingColour.map((part) => Math.round((part * most) / 255));
  const size = 4 * levels.length;
  const rgba = bitDepth === 8 ? new Uint8Array(size) : new Uint16Array(size);
  for (let i = 0; i < levels.length; i++) {
    const grey = levels[i]!;
    rgba.set(Number.isNaN(values[i]) ? missing : [grey, grey, grey], 4 * i);
    rgba[4 * i + 3] = most;
  }
  return rgba;
}

/**
 * Encodes a frame [H, W] or [1, H, W] with values 0..1 as a grey PNG image. NaN, a missing pixel, is blue
 * (#4060a0), which makes the image one of colours.
 *
 * @throws ConvLSTMError ERR_SHAPE for any other shape, ERR_DTYPE, ERR_OPTION
 * @example
 * ```ts
 * response.end(png.encode({ data, shape: [64, 64] }));
 * ```
 */
export function encode(frame: Readonly<NdArray>, options: PngOptions = {}): Uint8Array {
  const bitDepth = bitDepthOf('png', options);
  const [height, width] = frameSize(frame);
  const image = new PNG({ width, height });
  const levels = quantise(frame.data, bitDepth);
  if (frame.data.some(Number.isNaN)) {
    image.data = Buffer.from(withMissing(levels, frame.data, bitDepth).buffer);
    return PNG.sync.write(image, { bitDepth, colorType: 2, inputColorType: 6 });
  }
  image.data = Buffer.from(levels.buffer);
  return PNG.sync.write(image, {
    bitDepth,
    colorType: 0,
    inputColorType: 0,
    inputHasAlpha: false,
  });
}

/**
 * Writes a frame [H, W] or [1, H, W] with values 0..1 as a grey PNG image.
 *
 * @throws ConvLSTMError as `encode` does, and ERR_IO for a file that cannot be written
 * @example
 * ```ts
 * await png.save('frame.png', { data, shape: [64, 64] }, { bitDepth: 16 });
 * ```
 */
export async function save(
  path: FilePath,
  frame: Readonly<NdArray>,
  options?: PngOptions,
): Promise<void> {
  await writeBytes(path, encode(frame, options));
}
