import * as gifenc from 'gifenc';
import { checkNames, refuseOption } from '../options.js';
import { expectShape, refuseShape } from '../tensor/shape.js';
import { type FilePath, writeBytes } from './files.js';
import type { NdArray } from './nd-array.js';
import { frameSize, kMissingColour, quantise } from './pixels.js';

// CommonJS in Node, an ES module in bundles, whose default exports differ.
const GIFEncoder = gifenc.GIFEncoder ?? gifenc.default.GIFEncoder;

/** Options of `encode` and `save`. */
export interface GifOptions {
  /** Duration of each frame, ms, in steps of 10; 100 by default. */
  delay?: number | undefined;
}

/** Milliseconds; the format has 16 bits for hundredths of a second. */
const kMaxDelay = 655_350;

/** Pixels; the format has 16 bits for a side. */
const kMaxSide = 65535;

/** Entry of the palette for missing pixels, of which grey 1 of 255 then becomes grey 0. */
const kMarked = 1;

function mark(levels: Uint8Array, values: Float32Array): void {
  for (let i = 0; i < levels.length; i++) {
    if (Number.isNaN(values[i])) levels[i] = kMarked;
    else if (levels[i] === kMarked) levels[i] = 0;
  }
}

/**
 * Encodes frames [H, W] or [1, H, W] with values 0..1 as an animated grey GIF that repeats. NaN, a missing
 * pixel, is blue (#4060a0).
 *
 * @throws ConvLSTMError ERR_SHAPE for frames of any other shape or of different shapes, ERR_OPTION for
 *   an empty list
 * @example
 * ```ts
 * response.end(gif.encode(frames, { delay: 200 }));
 * ```
 */
export function encode(frames: readonly Readonly<NdArray>[], options: GifOptions = {}): Uint8Array {
  checkNames('gif', options, { delay: true });
  const { delay = 100 } = options;
  if (!(delay >= 0 && delay <= kMaxDelay)) {
    refuseOption('delay', `milliseconds from 0 to ${kMaxDelay}`, delay);
  }
  if (!Array.isArray(frames) || frames.length === 0) {
    refuseOption('frames', 'a list of at least one', frames);
  }
  const [height, width] = frameSize(frames[0]!);
  if (Math.max(height, width) > kMaxSide) {
    refuseShape('frame', `sides of at most ${kMaxSide}`, [height, width]);
  }
  const palette = Array.from({ length: 256 }, (_, i): [number, number, number] => [i, i, i]);
  // The colour of missing pixels takes the place of one grey value, only where it is needed.
  const isMarked = frames.some(({ data }) => data?.some(Number.isNaN));
  if (isMarked) palette[kMarked] = [...kMissingColour];
  const encoder = GIFEncoder();
  frames.forEach((frame, i) => {
    const [h, w] = frameSize(frame);
    expectShape(`frame ${i}`, [height, width], [h, w]);
    const levels = quantise(frame.data, 8) as Uint8Array;
    if (isMarked) mark(levels, frame.data);
    encoder.writeFrame(levels, width, height, i === 0 ? { palette, delay } : { delay });
  });
  encoder.finish();
  return encoder.bytes();
}

/**
 * Writes frames [H, W] or [1, H, W] with values 0..1 as an animated grey GIF that repeats.
 *
 * @throws ConvLSTMError as `encode` does, and ERR_IO for a file that cannot be written
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
