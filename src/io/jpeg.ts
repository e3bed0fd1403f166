import { type ByteSource, formatError, readBytes, sourceName } from './files.js';
import type { NdArray } from './nd-array.js';
import { kMaxPixels, luma } from './pixels.js';

/** @internal */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/** Progressive files have about 10; each scan may take a pass over all pixels. */
const kMaxScans = 100;

/** Names of the frame types that the decoder lacks, by the marker's second byte. */
const kUnsupported: ReadonlyMap<number, string> = new Map([
  [0xc3, 'lossless'],
  ...[0xc5, 0xc6, 0xc7].map((marker) => [marker, 'hierarchical'] as const),
  ...[0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf].map(
    (marker) => [marker, 'arithmetically coded'] as const,
  ),
]);

interface Frame {
  precision: number;
  height: number;
  width: number;
  /** Identifiers of the components. */
  components: number[];
}

interface Structure {
  frame: Frame;
  /** Whether a JFIF segment is there, which stands for YCbCr. */
  jfif: boolean;
  /** Colour transform of the Adobe segment; null without one. */
  transform: number | null;
}

/** Offset of the next marker after entropy-coded data that begins at `at`. */
function skipScan(bytes: Uint8Array, at: number): number {
  for (;;) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) return bytes.length;
    const next = bytes[at + 1];
    if (next !== 0 && next !== 0xff && !(next! >= 0xd0 && next! <= 0xd7)) return at;
    at += next === 0xff ? 1 : 2;
  }
}

function readFrame(name: string, marker: number, segment: Uint8Array): Frame {
  const kind = kUnsupported.get(marker);
  if (kind !== undefined) {
    throw formatError(name, `expected a baseline or progressive JPEG, got one that is ${kind}`);
  }
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
  const count = segment[5] ?? 0;
  if (segment.length !== 6 + 3 * count) throw formatError(name, 'JPEG frame header is damaged');
  const components = Array.from({ length: count }, (_, i) => segment[6 + 3 * i]!);
  return {
    precision: segment[0]!,
    height: view.getUint16(1),
    width: view.getUint16(3),
    components,
  };
}

/**
 * Walks the segments up to the end of the image. jpeg-js ignores what is checked here: 12-bit samples, RGB
 * that was not made YCbCr, images after the first.
 */
function readStructure(name: string, bytes: Uint8Array): Structure {
  if (!isJpeg(bytes)) throw formatError(name, 'is not a JPEG file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let frame: Frame | undefined;
  let jfif = false;
  let transform: number | null = null;
  let scans = 0;
  for (let at = 2; ; ) {
    // Fill bytes may precede a marker.
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === undefined) {
      throw formatError(name, `is a damaged or cut JPEG file: no marker at byte ${at}`);
    }
    if (marker === 0xd9) {
      if (frame === undefined) throw formatError(name, 'JPEG has no frame');
      if (isJpeg(bytes.subarray(at + 2))) {
        throw formatError(name, 'expected one JPEG image, got several: write each to its own file');
      }
      return { frame, jfif, transform };
    }
    const length = at + 4 <= bytes.length ? view.getUint16(at + 2) : 0;
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) {
      throw formatError(name, `is a damaged or cut JPEG file: segment at byte ${at}`);
    }
    const segment = bytes.subarray(at + 4, end);
    const text = Buffer.from(segment.subarray(0, 5)).toString('latin1');
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      if (frame !== undefined) throw formatError(name, 'JPEG has two frames');
      frame = readFrame(name, marker, segment);
    } else if (marker === 0xe0 && text === 'JFIF\0') jfif = true;
    else if (marker === 0xee && text === 'Adobe') transform = segment[11] ?? null;
    if (marker === 0xda && ++scans > kMaxScans) {
      throw formatError(name, `expected at most ${kMaxScans} scans of a JPEG image`);
    }
    at = marker === 0xda ? skipScan(bytes, end) : end;
  }
}

/** As libjpeg decides it for three components. */
function isYcc({ frame, jfif, transform }: Structure): boolean {
  if (jfif) return true;
  if (transform !== null) return transform !== 0;
  return String.fromCharCode(...frame.components) !== 'RGB';
}

/** Decodes bytes; `name` is their name in messages. @internal */
export async function decode(name: string, bytes: Uint8Array): Promise<NdArray> {
  const structure = readStructure(name, bytes);
  const { precision, width, height, components } = structure.frame;
  if (precision !== 8) throw formatError(name, `expected 8 bits per sample, got ${precision}`);
  if (components.length !== 1 && components.length !== 3) {
    const got = components.length === 4 ? '4 (CMYK)' : components.length;
    throw formatError(name, `expected 1 component (grey) or 3 (colour), got ${got}`);
  }
  const count = width * height;
  if (count === 0) throw formatError(name, `${width}x${height} holds no pixels`);
  if (count > kMaxPixels) {
    throw formatError(name, `expected at most ${kMaxPixels} pixels, got ${width}x${height}`);
  }
  // A block of 64 pixels takes at least a bit.
  if (count > 512 * bytes.length) {
    throw formatError(name, `${width}x${height} pixels do not fit into ${bytes.length} bytes`);
  }
  // Loaded with the first JPEG image: few programs read any.
  const { default: decoder } = await import('jpeg-js');
  let rgb: Uint8Array;
  try {
    const options = {
      formatAsRGBA: false,
      useTArray: true,
      colorTransform: isYcc(structure),
      // Skips blocks past the last one, which jpeg-js reads where restart intervals do not divide them.
      tolerantDecoding: true,
      maxResolutionInMP: kMaxPixels / 1e6,
      maxMemoryUsageInMB: 2048,
    } as const;
    rgb = decoder.decode(bytes, options).data;
  } catch (error) {
    throw formatError(name, 'is a damaged JPEG file', error);
  }
  return { data: luma(rgb, 3, 255), shape: [height, width] };
}

/**
 * Reads a JPEG image (baseline or progressive, 8 bits) as grey values 0..1, shape [H, W]. Colour becomes
 * luma (0.299 R + 0.587 G + 0.114 B) as in PNG; the orientation that a camera notes is ignored. Values are
 * within 2/255 of libjpeg's.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, CMYK and several images among it, ERR_IO for a
 *   file that cannot be read
 * @example
 * ```ts
 * const { data, shape } = await jpeg.load('frame-0001.jpg');
 * ```
 */
export async function load(source: ByteSource): Promise<NdArray> {
  return decode(sourceName(source), await readBytes(source));
}
