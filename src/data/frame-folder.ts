import type { Pair } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { BlockCache } from '../io/block-cache.js';
import { type FilePath, sourceName, toPath } from '../io/files.js';
import { type FrameFile, openFrames } from '../io/frame-formats.js';
import type { FrameSource } from '../io/frame-list.js';
import { checkLike, checkSourceOptions, type FrameSourceOptions } from '../io/frames.js';
import type { NdArray } from '../io/nd-array.js';
import {
  checkChoice,
  checkCount,
  checkFlag,
  checkNames,
  checkPositive,
  checkSeed,
  checkSize,
  refuseOption,
  type Size,
} from '../options.js';
import { type Dataset, type DatasetSource, type SequenceSample, splitSequence } from './dataset.js';
import { type FrameIndex, indexFrames, type Run } from './frame-index.js';
import { RandomStream } from './random-stream.js';

/** Options of `FrameFolder`. */
export interface FrameFolderOptions extends FrameSourceOptions {
  /** Number of frames of a sample's input. */
  inputLength: number;
  /** Number of frames of its target, which follows the input. */
  targetLength: number;
  /** Frames between the starts of consecutive windows; 1 by default. */
  stride?: number | undefined;
  /**
   * Minutes from a frame to the next, for frames whose times are known; the commonest step by default.
   * No window crosses a step above 1.5 or not above 0.5 of it.
   */
  step?: number | undefined;
  /** Normalization of values to (x - mean) / std. */
  normalize?:
    | {
        /** Mean; 0 by default. */
        mean?: number | undefined;
        /** Standard deviation; 1 by default. */
        std?: number | undefined;
      }
    | undefined;
  /** [height, width] of a crop, the same for all frames of a window; none by default. */
  crop?: Size | undefined;
  /** Axes along which `vary` mirrors half of the windows; none by default. */
  flip?: 'none' | 'horizontal' | 'vertical' | 'both' | undefined;
  /**
   * Whether crops and flips are random, different in each epoch and derived from the seed. Otherwise the
   * crop is central and nothing is flipped. False by default.
   */
  vary?: boolean | undefined;
  /** Seed of crops and flips; 0 by default. */
  seed?: number | undefined;
}

/** Options with their defaults filled in. */
interface Settings {
  inputLength: number;
  targetLength: number;
  stride: number;
  step: number | null;
  layout: string | null;
  mean: number;
  std: number;
  crop: Pair | null;
  flip: NonNullable<FrameFolderOptions['flip']>;
  vary: boolean;
  seed: number;
}

/** Limit of the cache of decoded frames, bytes: neighbouring windows share most frames. */
const kCacheBytes = 256 * 2 ** 20;

/** Number of windows of `length` frames, `stride` apart, in `frames` frames. */
function windowsIn(frames: number, length: number, stride: number): number {
  return frames < length ? 0 : Math.floor((frames - length) / stride) + 1;
}

/** Copies a crop of a frame [C, H, W] into `into`, normalized and mirrored. */
function cut(
  { data, shape }: NdArray,
  into: Float32Array,
  place: { top: number; left: number; height: number; width: number; up: boolean; back: boolean },
  { mean, std }: { mean: number; std: number },
): void {
  const [channels, fullHeight, fullWidth] = shape as [number, number, number];
  const { top, left, height, width, up, back } = place;
  let at = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < height; y++) {
      const row = top + (up ? height - 1 - y : y);
      const from = (channel * fullHeight + row) * fullWidth + left;
      for (let x = 0; x < width; x++) {
        into[at++] = (data[from + (back ? width - 1 - x : x)]! - mean) / std;
      }
    }
  }
}

/** A frame and the name of its file. */
interface FoundFrame {
  path: string;
  frame: NdArray;
}

/** Options and what `open` found, for worker threads. */
interface WorkerOptions {
  options: FrameFolderOptions;
  index: FrameIndex;
}

/**
 * Sliding windows over the frames of a folder, a file, or a list of them, in the formats and the order of
 * `readFrames`. Windows lie within one sequence: every folder is one, every file of several frames, every
 * N of an array. Where times are known, from files or from their names, no window crosses a gap.
 *
 * @example
 * ```ts
 * const radar = await FrameFolder.open('radar/', { inputLength: 10, targetLength: 10, crop: 256, vary: true });
 * for await (const { input, target } of new DataLoader(radar, { batchSize: 4, shuffle: true, workers: 1 })) {}
 * ```
 */
export class FrameFolder implements Dataset<SequenceSample> {
  /** Number of windows of all sequences. */
  readonly length: number;
  /** Unit of the values, `mm/h`; null for formats that do not have one. */
  readonly unit: string | null;
  readonly source: DatasetSource;
  readonly #index: FrameIndex;
  readonly #runs: readonly (Run & { windows: number })[];
  readonly #options: Settings;
  readonly #cache = new BlockCache(kCacheBytes);
  readonly #files = new Map<number, Promise<FrameFile>>();
  #expected: { shape: string; unit: string | null } | null = null;

  private constructor({ options, index }: WorkerOptions) {
    this.#options = checkOptions(options);
    this.#index = index;
    const { inputLength, targetLength, stride } = this.#options;
    this.#runs = index.runs.map((run) => ({
      ...run,
      windows: windowsIn(run.frames, inputLength + targetLength, stride),
    }));
    this.length = this.#runs.reduce((sum, { windows }) => sum + windows, 0);
    this.unit = index.unit;
    this.source = { module: import.meta.url, options: { options, index } satisfies WorkerOptions };
  }

  /**
   * Lists the source, with the number of frames of each file and their times; frames are read with their
   * samples.
   *
   * @throws ConvLSTMError ERR_OPTION for an option out of range, for names whose dates are ambiguous or for
   *   an array that needs a layout, ERR_IO for a source that cannot be read or has no window of the length
   *   asked for, ERR_FORMAT for a file that is none of frames
   */
  static async open(source: FrameSource, options: FrameFolderOptions): Promise<FrameFolder> {
    const { inputLength, targetLength, step } = checkOptions(options);
    const length = inputLength + targetLength;
    const { timePattern, layout } = options;
    const index = await indexFrames(source, { timePattern, layout }, step, length);
    const longest = index.runs.reduce((most, { frames }) => Math.max(most, frames), 0);
    if (longest < length) {
      const name = Array.isArray(source) ? 'source' : toPath(source as FilePath);
      const message = `${name}: expected a sequence of at least ${length} frames, got at most ${longest}`;
      throw new ConvLSTMError('ERR_IO', message);
    }
    return new FrameFolder({ options, index });
  }

  /** A copy in a worker thread. @internal */
  static restore(from: WorkerOptions): FrameFolder {
    return new FrameFolder(from);
  }

  /**
   * Window `index`, varied by the epoch.
   *
   * @throws ConvLSTMError ERR_OPTION for an index out of range, ERR_SHAPE for a frame unlike the first,
   *   ERR_FORMAT, ERR_IO for a file that cannot be read
   */
  async get(index: number, epoch = 0): Promise<SequenceSample> {
    const { inputLength, targetLength } = this.#options;
    const frames = await this.#framesOf(index);
    const [channels, height, width] = this.#checkShapes(frames);
    const place = this.#placeOf(index, epoch, height, width);
    const size = channels * place.height * place.width;
    const data = new Float32Array(frames.length * size);
    frames.forEach(({ frame }, t) => {
      cut(frame, data.subarray(t * size, (t + 1) * size), place, this.#options);
    });
    const shape = [inputLength + targetLength, channels, place.height, place.width];
    return splitSequence({ data, shape }, inputLength);
  }

  /** Name of the file of frame `frame` of window `index`, for messages. @internal */
  async fileOf(index: number, frame: number): Promise<string> {
    return (await this.#framesOf(index))[frame]!.path;
  }

  async #framesOf(index: number): Promise<FoundFrame[]> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.length) {
      refuseOption('index', `0 to ${this.length - 1}`, index);
    }
    const { inputLength, targetLength, stride } = this.#options;
    let window = index;
    const run = this.#runs.find(({ windows }) => {
      if (window < windows) return true;
      window -= windows;
      return false;
    })!;
    const found: FoundFrame[] = [];
    let skip = window * stride;
    for (const { file, first, frames } of run.spans) {
      for (let n = skip; n < frames; n++) {
        found.push(await this.#read(file, first + n));
        if (found.length === inputLength + targetLength) return found;
      }
      skip = Math.max(0, skip - frames);
    }
    throw new ConvLSTMError('ERR_INTERNAL', `window ${index}: fewer frames than counted`);
  }

  async #read(number: number, index: number): Promise<FoundFrame> {
    const { listed, count } = this.#index.files[number]!;
    const path = sourceName(listed.source);
    let opening = this.#files.get(number);
    if (opening === undefined) {
      opening = openFrames(listed.source, this.#cache, this.#options.layout);
      this.#files.set(number, opening);
      opening.catch(() => this.#files.delete(number));
    }
    const file = await opening;
    if (file.count !== count) {
      this.#files.delete(number);
      const message = `${path}: expected ${count} frames, as when it was listed, got ${file.count}`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    }
    return { path, frame: await file.read(index) };
  }

  #checkShapes(frames: readonly FoundFrame[]): [number, number, number] {
    for (const { path, frame } of frames) {
      const shape = frame.shape.join(', ');
      this.#expected ??= { shape, unit: this.unit };
      checkLike(path, this.#expected, shape, this.unit);
    }
    return frames[0]!.frame.shape as [number, number, number];
  }

  #placeOf(index: number, epoch: number, fullHeight: number, fullWidth: number) {
    const [height, width] = this.#options.crop ?? [fullHeight, fullWidth];
    if (height > fullHeight || width > fullWidth) {
      refuseOption('crop', `at most [${fullHeight}, ${fullWidth}]`, [height, width]);
    }
    const { vary, seed, flip } = this.#options;
    if (!vary) {
      const [top, left] = [(fullHeight - height) >> 1, (fullWidth - width) >> 1];
      return { top, left, height, width, up: false, back: false };
    }
    const random = new RandomStream(seed, epoch * this.length + index);
    const [top, left] = [
      random.integer(fullHeight - height + 1),
      random.integer(fullWidth - width + 1),
    ];
    const [up, back] = [random.integer(2) === 1, random.integer(2) === 1];
    return {
      top,
      left,
      height,
      width,
      up: up && (flip === 'vertical' || flip === 'both'),
      back: back && (flip === 'horizontal' || flip === 'both'),
    };
  }
}

function checkOptions(options: FrameFolderOptions): Settings {
  checkNames('FrameFolder', options, {
    inputLength: true,
    targetLength: true,
    stride: true,
    step: true,
    timePattern: true,
    layout: true,
    normalize: true,
    crop: true,
    flip: true,
    vary: true,
    seed: true,
  });
  const { inputLength, targetLength, stride = 1, flip = 'none', vary = false, seed = 0 } = options;
  const { normalize = {}, crop, step } = options;
  checkNames('normalize', normalize, { mean: true, std: true });
  for (const [name, value] of Object.entries({ inputLength, targetLength, stride })) {
    checkCount(name, value);
  }
  if (step !== undefined) checkPositive('step', step);
  const { layout } = checkSourceOptions(options);
  checkFlag('vary', vary);
  checkSeed('seed', seed);
  checkChoice('flip', flip, ['none', 'horizontal', 'vertical', 'both']);
  const { mean = 0, std = 1 } = normalize;
  if (!Number.isFinite(mean)) refuseOption('normalize.mean', 'a finite number', mean);
  if (!(std > 0 && Number.isFinite(std))) {
    refuseOption('normalize.std', 'a finite number above 0', std);
  }
  return {
    inputLength,
    targetLength,
    stride,
    step: step ?? null,
    layout,
    mean,
    std,
    crop: crop === undefined ? null : checkSize('crop', crop),
    flip,
    vary,
    seed,
  };
}

/** Called by the workers of a `DataLoader`. @internal */
export default function openFrameFolder(from: Parameters<typeof FrameFolder.restore>[0]) {
  return FrameFolder.restore(from);
}
