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
import type { RandomAccess } from './random-access.js';

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

interface Header {
  width: number;
  height: number;
  max: number;
  /** Whether pixels are decimal numbers. */
  text: boolean;
  type: 'U8' | 'U16';
  /** Offset of the pixels from the header's first byte. */
  start: number;
}

/** Parses the header at the scanner's bytes, which begin with P2 or P5. */
function readHeader(name: string, bytes: Uint8Array, scanner: Scanner): Header {
  const width = scanner.number('width');
  const height = scanner.number('height');
  const max = scanner.number('maximum');
  if (width === 0 || height === 0) throw formatError(name, `${width}x${height} holds no pixels`);
  if (max === 0 || max > 65535) throw formatError(name, `maximum ${max} is not 1 to 65535`);
  const text = bytes[1] === 0x32;
  const start = scanner.position + (text ? 0 : 1);
  return { width, height, max, text, type: max > 255 ? 'U16' : 'U8', start };
}

/** Bytes of an image's pixels; as text each takes at least a blank and a digit. */
function pixelBytes({ width, height, text, type }: Header): number {
  return width * height * (text ? 2 : bytesPerElement(type));
}

function checkRoom(name: string, header: Header, got: number): void {
  const expected = pixelBytes(header);
  if (got >= expected) return;
  const { width, height } = header;
  throw formatError(name, `${width}x${height} pixels take ${expected} bytes, got ${got}`);
}

/** One image of a file, and the offset after it. */
interface Image extends NdArray {
  end: number;
}

/** Decodes the image that begins at the first of `bytes`; what follows is left. */
function decodeImage(name: string, bytes: Uint8Array): Image {
  const scanner = new Scanner(name, bytes);
  const header = readHeader(name, bytes, scanner);
  checkRoom(name, header, bytes.length - header.start);
  const { width, height, max, text, type, start } = header;
  const count = width * height;
  let data: Float32Array;
  let end = start + pixelBytes(header);
  if (text) {
    data = new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = scanner.number('pixel');
    scanner.skipBlanks();
    end = scanner.position;
  } else {
    data = decodeNumbers(type, bytes.subarray(start, end), false);
  }
  for (let i = 0; i < count; i++) {
    if (data[i]! > max) throw formatError(name, `pixel ${data[i]} is over the maximum ${max}`);
    data[i] = data[i]! / max;
  }
  return { data, shape: [height, width], end };
}

/** Name of image `index` in messages. */
const placeOf = (name: string, index: number) => (index === 0 ? name : `${name}: image ${index}`);

function refuseRest(name: string, pixels: number, at: number): never {
  const expected = 'expected the end or another image';
  throw formatError(name, `more than ${pixels} pixels: ${expected} at byte ${at}`);
}

function checkSize(place: string, first: readonly number[], got: readonly number[]): void {
  if (got.join() === first.join()) return;
  throw formatError(place, `expected [${first}] as the first, got [${got}]`);
}

/** Decodes each image of a stream, [H, W]; `name` is its name in messages. @internal */
export function decodeAll(name: string, bytes: Uint8Array): NdArray[] {
  if (!isPgm(bytes)) throw formatError(name, 'is not a PGM file');
  const images: NdArray[] = [];
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at);
    const first = images[0];
    if (first !== undefined && !isPgm(rest)) refuseRest(name, first.data.length, at);
    const place = placeOf(name, images.length);
    const { data, shape, end } = decodeImage(place, rest);
    checkSize(place, first?.shape ?? shape, shape);
    images.push({ data, shape });
    at += end;
  }
  return images;
}

/** Bytes that hold any sensible header, comments included. */
const kHeadBytes = 4096;

/**
 * Offsets of the images of a stream, and of its end, by their headers alone; null if there is text, whose
 * end only decoding tells.
 *
 * @internal
 */
export async function findImages(file: RandomAccess): Promise<number[] | null> {
  const starts: number[] = [];
  let first: number[] | undefined;
  let at = 0;
  while (at < file.size) {
    const head = await file.read(at, Math.min(file.size, at + kHeadBytes));
    if (!isPgm(head)) refuseRest(file.name, first![0]! * first![1]!, at);
    const place = placeOf(file.name, starts.length);
    const header = readHeader(place, head, new Scanner(place, head));
    if (header.text) return null;
    checkRoom(place, header, file.size - at - header.start);
    const shape = [header.height, header.width];
    first ??= shape;
    checkSize(place, first, shape);
    starts.push(at);
    at += header.start + pixelBytes(header);
  }
  return [...starts, at];
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
  const images = decodeAll(sourceName(source), await readBytes(source));
  const { data, shape } = images[0]!;
  if (images.length === 1) return { data, shape };
  const all = new Float32Array(images.length * data.length);
  images.forEach((image, k) => {
    all.set(image.data, k * data.length);
  });
  return { data: all, shape: [images.length, ...shape] };
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
