import {
  type ByteSource,
  type FilePath,
  formatError,
  readBytes,
  sourceName,
  writeBytes,
} from './files.js';
import type { NdArray } from './nd-array.js';
import { bytesPerElement, decodeNumbers } from './numbers.js';
import { type BitDepth, bitDepthOf, frameSize, quantise } from './pixels.js';

/** Options of `encode` and `save`. */
export interface PgmOptions {
  /** Bits per pixel, 8 or 16; 8 by default. */
  bitDepth?: BitDepth | undefined;
}

/** @internal */
export function isPgm(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && (bytes[1] === 0x32 || bytes[1] === 0x35);
}

/** Scanner of the numbers that a PGM file has as text. */
class Scanner {
  position = 2;
  readonly #name: string;
  readonly #bytes: Uint8Array;

  constructor(name: string, bytes: Uint8Array) {
    this.#name = name;
    this.#bytes = bytes;
  }

  #isBlank(): boolean {
    const byte = this.#bytes[this.position];
    return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
  }

  /** Skips blanks and comments, which run from # to the end of the line. */
  skipBlanks(): void {
    for (;;) {
      while (this.#isBlank()) this.position++;
      if (this.#bytes[this.position] !== 0x23) return;
      while (this.position < this.#bytes.length && this.#bytes[this.position] !== 0x0a) {
        this.position++;
      }
    }
  }

  /** The next number, 0 to 1e9 - 1. */
  number(what: string): number {
    this.skipBlanks();
    let value = 0;
    let digits = 0;
    for (; digits < 9; digits++, this.position++) {
      const digit = (this.#bytes[this.position] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const ended = this.position >= this.#bytes.length || this.#isBlank();
    if (digits === 0 || !ended) throw formatError(this.#name, `${what} is not a number`);
    return value;
  }
}

/** One image of a file, and the offset after it. */
interface Image extends NdArray {
  end: number;
}

/** Decodes the image that begins at the first of `bytes`; what follows is left. */
function decodeImage(name: string, bytes: Uint8Array): Image {
  const scanner = new Scanner(name, bytes);
  const width = scanner.number('width');
  const height = scanner.number('height');
  const max = scanner.number('maximum');
  if (width === 0 || height === 0) throw formatError(name, `${width}x${height} holds no pixels`);
  if (max === 0 || max > 65535) throw formatError(name, `maximum ${max} is not 1 to 65535`);
  const count = width * height;
  const text = bytes[1] === 0x32;
  const type = max > 255 ? 'U16' : 'U8';
  const start = scanner.position + 1;
  // A pixel as text takes at least a blank and a digit.
  const expected = count * (text ? 2 : bytesPerElement(type));
  const got = bytes.length - scanner.position - (text ? 0 : 1);
  if (got < expected) {
    throw formatError(name, `${width}x${height} pixels take ${expected} bytes, got ${got}`);
  }
  let data: Float32Array;
  let end = start + expected;
  if (text) {
    data = new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = scanner.number('pixel');
    scanner.skipBlanks();
    end = scanner.position;
  } else {
    // A copy: decodeNumbers may give a view.
    data = decodeNumbers(type, bytes.slice(start, end), false);
  }
  for (let i = 0; i < count; i++) {
    if (data[i]! > max) throw formatError(name, `pixel ${data[i]} is over the maximum ${max}`);
    data[i] = data[i]! / max;
  }
  return { data, shape: [height, width], end };
}

/** Decodes bytes; `name` is their name in messages. @internal */
export function decode(name: string, bytes: Uint8Array): NdArray {
  if (!isPgm(bytes)) throw formatError(name, 'is not a PGM file');
  const images: Image[] = [];
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at);
    const first = images[0];
    if (first !== undefined && !isPgm(rest)) {
      const message = `more than ${first.data.length} pixels: expected the end or another image`;
      throw formatError(name, `${message} at byte ${at}`);
    }
    const place = first === undefined ? name : `${name}: image ${images.length}`;
    const image = decodeImage(place, rest);
    if (first !== undefined && image.shape.join() !== first.shape.join()) {
      throw formatError(place, `expected [${first.shape}] as the first, got [${image.shape}]`);
    }
    images.push(image);
    at += image.end;
  }
  const { data, shape } = images[0]!;
  if (images.length === 1) return { data, shape };
  const all = new Float32Array(images.length * data.length);
  images.forEach((image, k) => {
    all.set(image.data, k * data.length);
  });
  return { data: all, shape: [images.length, ...shape] };
}

/**
 * Reads a PGM image (P2 or P5, 8 or 16 bits) as values 0..1, shape [H, W]. A stream of several images of
 * one size, as `ffmpeg -f image2pipe -c:v pgm` writes it, has shape [T, H, W].
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * const { data, shape } = await pgm.load('frame-0001.pgm');
 * ```
 */
export async function load(source: ByteSource): Promise<NdArray> {
  return decode(sourceName(source), await readBytes(source));
}

/**
 * Encodes a frame [H, W] or [1, H, W] with values 0..1 as a binary PGM image (P5).
 *
 * @throws ConvLSTMError ERR_SHAPE for any other shape, ERR_DTYPE, ERR_OPTION
 * @example
 * ```ts
 * process.stdout.write(pgm.encode({ data, shape: [64, 64] }));
 * ```
 */
export function encode(frame: Readonly<NdArray>, options: PgmOptions = {}): Uint8Array {
  const bitDepth = bitDepthOf('pgm', options);
  const [height, width] = frameSize(frame);
  const levels = quantise(frame.data, bitDepth);
  const header = Buffer.from(`P5\n${width} ${height}\n${2 ** bitDepth - 1}\n`, 'latin1');
  const bytes = new Uint8Array(header.length + levels.byteLength);
  bytes.set(header);
  if (levels instanceof Uint8Array) {
    bytes.set(levels, header.length);
  } else {
    const view = new DataView(bytes.buffer, header.length);
    levels.forEach((level, i) => {
      view.setUint16(2 * i, level);
    });
  }
  return bytes;
}

/**
 * Writes a frame [H, W] or [1, H, W] with values 0..1 as a binary PGM image.
 *
 * @throws ConvLSTMError as `encode` does, and ERR_IO for a file that cannot be written
 * @example
 * ```ts
 * await pgm.save('frame.pgm', { data, shape: [64, 64] });
 * ```
 */
export async function save(
  path: FilePath,
  frame: Readonly<NdArray>,
  options?: PgmOptions,
): Promise<void> {
  await writeBytes(path, encode(frame, options));
}
