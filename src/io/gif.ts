import { createRequire } from 'node:module';
import type Gifenc from 'gifenc';
import { ConvLSTMError, show } from '../errors.js';
import { checkNames } from '../options.js';
import { type FilePath, writeBytes } from './files.js';
import type { NdArray } from './nd-array.js';
import { frameSize, quantise } from './pixels.js';

// CommonJS whose exports Node cannot name; bundlers and test runners disagree on its default.
const { GIFEncoder } = createRequire(import.meta.url)('gifenc') as typeof Gifenc;

/** Options of `encode` and `save`. */
export interface GifOptions {
  /** Milliseconds that each frame stands; 100 by default, in steps of 10. */
  delay?: number | undefined;
}

/** The format counts hundredths of seconds in 16 bits. */
const kMaxDelay = 655_350;

/** The longest side that the format can write. */
const kMaxSide = 65535;

/**
 * The bytes of an animated grey GIF of frames [H, W] or [1, H, W] with values 0..1; it repeats.
 *
 * @throws ConvLSTMError ERR_SHAPE for frames of another or of different shapes, ERR_OPTION for no frames
 * @example
 * ```ts
 * response.end(gif.encode(frames, { delay: 200 }));
 * ```
 */
export function encode(frames: readonly Readonly<NdArray>[], options: GifOptions = {}): Uint8Array {
  checkNames('gif', options, { delay: true });
  const { delay = 100 } = options;
  if (!(delay >= 0 && delay <= kMaxDelay)) {
    const message = `delay: expected milliseconds from 0 to ${kMaxDelay}, got ${show(delay)}`;
    throw new ConvLSTMError('ERR_OPTION', message);
  }
  if (!Array.isArray(frames) || frames.length === 0)
    throw new ConvLSTMError('ERR_OPTION', 'frames: expected at least one');
  const [height, width] = frameSize(frames[0]!);
  if (Math.max(height, width) > kMaxSide) {
    throw new ConvLSTMError('ERR_SHAPE', `frame: ${height}x${width} is over GIF's ${kMaxSide}`);
  }
  const palette = Array.from({ length: 256 }, (_, i): [number, number, number] => [i, i, i]);
  const encoder = GIFEncoder();
  frames.forEach((frame, i) => {
    const [h, w] = frameSize(frame);
    if (h !== height || w !== width) {
      const message = `frame ${i}: expected [${height}, ${width}], got [${h}, ${w}]`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    }
    const levels = quantise(frame.data, 8) as Uint8Array;
    encoder.writeFrame(levels, width, height, i === 0 ? { palette, delay } : { delay });
  });
  encoder.finish();
  return encoder.bytes();
}

/**
 * Writes frames [H, W] or [1, H, W] with values 0..1 as an animated grey GIF that repeats.
 *
 * @throws ConvLSTMError ERR_SHAPE for frames of another or of different shapes, ERR_OPTION for no
 * frames, ERR_IO when the file cannot be written.
 * @example
 * ```ts
 * await gif.save('forecast.gif', frames, { delay: 200 });
 * ```
 */
export async function save(
  path: FilePath,
  frames: readonly Readonly<NdArray>[],
  options?: GifOptions,
): Promise<void> {
  await writeBytes(path, encode(frames, options));
}
