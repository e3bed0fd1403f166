import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pair } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { type FilePath, ioError, toPath } from '../io/files.js';
import { countFrames, inNaturalOrder, isFrameFile, noFrames, readFile } from '../io/frames.js';
import type { NdArray } from '../io/nd-array.js';
import {
  checkChoice,
  checkCount,
  checkFlag,
  checkNames,
  checkSeed,
  checkSize,
  refuseOption,
  type Size,
} from '../options.js';
import { type Dataset, type DatasetSource, type SequenceSample, splitSequence } from './dataset.js';
import { RandomStream } from './random-stream.js';

/** Options of `FrameFolder`. */
export interface FrameFolderOptions {
  /** Number of frames of a sample's input. */
  inputLength: number;
  /** Number of frames of its target, which follows the input. */
  targetLength: number;
  /** Frames between the starts of consecutive windows; 1 by default. */
  stride?: number | undefined;
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
  mean: number;
  std: number;
  crop: Pair | null;
  flip: NonNullable<FrameFolderOptions['flip']>;
  vary: boolean;
  seed: number;
}

interface FrameFile {
  path: string;
  frames: number;
}

/** Consecutive frames in the files of one folder. */
interface Sequence {
  files: readonly FrameFile[];
  frames: number;
  windows: number;
}

/** Limit of the cache of decoded files, bytes: neighbouring windows share most frames. */
const kCacheBytes = 256 * 2 ** 20;

class FrameCache {
  /** Files by path, least recently used first; bytes are 0 while a file is being read. */
  readonly #files = new Map<string, { frames: Promise<readonly NdArray[]>; bytes: number }>();
  #bytes = 0;

  async read(path: string): Promise<readonly NdArray[]> {
    const entry = this.#files.get(path) ?? { frames: readFile(path), bytes: 0 };
    this.#files.delete(path);
    this.#files.set(path, entry);
    try {
      const frames = await entry.frames;
      if (entry.bytes === 0 && this.#files.get(path) === entry) {
        entry.bytes = frames.reduce((sum, { data }) => sum + data.byteLength, 0);
        this.#bytes += entry.bytes;
        this.#evict();
      }
      return frames;
    } catch (error) {
      if (this.#files.get(path) === entry) this.#files.delete(path);
      throw error;
    }
  }

  #evict(): void {
    for (const [path, { bytes }] of this.#files) {
      if (this.#bytes <= kCacheBytes || this.#files.size === 1) return;
      if (bytes === 0) continue;
      this.#files.delete(path);
      this.#bytes -= bytes;
    }
  }
}

/** Number of windows of `length` frames, `stride` apart, in `frames` frames. */
function windowsIn(frames: number, length: number, stride: number): number {
  return frames < length ? 0 : Math.floor((frames - length) / stride) + 1;
}

async function findSequences(folder: string, length: number, stride: number): Promise<Sequence[]> {
  const files: FrameFile[] = [];
  const folders: string[] = [];
  for (const name of inNaturalOrder(await readdir(folder))) {
    const path = join(folder, name);
    // stat follows links, which folders of data often are.
    if ((await stat(path)).isDirectory()) folders.push(path);
    else if (isFrameFile(name)) files.push({ path, frames: await countFrames(path) });
  }
  const frames = files.reduce((sum, file) => sum + file.frames, 0);
  const own = frames > 0 ? [{ files, frames, windows: windowsIn(frames, length, stride) }] : [];
  const inside: Sequence[] = [];
  for (const path of folders) inside.push(...(await findSequences(path, length, stride)));
  return [...own, ...inside];
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

/**
 * Sliding windows over the frames of a folder, in the formats of `readFrames` and in natural order of
 * their names. Every subfolder is a separate sequence; no window spans two.
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
  readonly source: DatasetSource;
  readonly #sequences: readonly Sequence[];
  readonly #options: Settings;
  readonly #cache = new FrameCache();
  #frameShape: string | null = null;

  private constructor(sequences: Sequence[], settings: Settings, source: DatasetSource) {
    this.#sequences = sequences;
    this.#options = settings;
    this.length = sequences.reduce((sum, { windows }) => sum + windows, 0);
    this.source = source;
  }

  /**
   * Lists the folder; frames are read with their samples.
   *
   * @throws ConvLSTMError ERR_OPTION for an option out of range, ERR_IO for a folder that cannot be read
   *   or has no window of the length asked for
   */
  static async open(folder: FilePath, options: FrameFolderOptions): Promise<FrameFolder> {
    const settings = checkOptions(options);
    const path = toPath(folder);
    const { inputLength, targetLength, stride } = settings;
    const length = inputLength + targetLength;
    let sequences: Sequence[];
    try {
      sequences = await findSequences(path, length, stride);
    } catch (error) {
      throw ioError('read', path, error);
    }
    if (sequences.length === 0) throw noFrames(path);
    if (sequences.every(({ windows }) => windows === 0)) {
      const longest = Math.max(...sequences.map(({ frames }) => frames));
      const message = `${path}: expected a sequence of at least ${length} frames, got at most ${longest}`;
      throw new ConvLSTMError('ERR_IO', message);
    }
    const source = { module: import.meta.url, options: { folder: path, ...options } };
    return new FrameFolder(sequences, settings, source);
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

  async #framesOf(index: number): Promise<{ path: string; frame: NdArray }[]> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.length) {
      refuseOption('index', `0 to ${this.length - 1}`, index);
    }
    const { inputLength, targetLength, stride } = this.#options;
    let window = index;
    for (const { files, windows } of this.#sequences) {
      if (window >= windows) {
        window -= windows;
        continue;
      }
      const found: { path: string; frame: NdArray }[] = [];
      let first = window * stride;
      for (const { path, frames } of files) {
        if (first < frames) {
          const wanted = inputLength + targetLength - found.length;
          const read = await this.#cache.read(path);
          found.push(...read.slice(first, first + wanted).map((frame) => ({ path, frame })));
          if (found.length === inputLength + targetLength) return found;
        }
        first = Math.max(0, first - frames);
      }
    }
    // Reached only if a file has lost frames since open().
    const message = `window ${index}: fewer frames than when the folder was opened`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }

  #checkShapes(frames: readonly { path: string; frame: NdArray }[]): [number, number, number] {
    for (const { path, frame } of frames) {
      const shape = frame.shape.join(', ');
      this.#frameShape ??= shape;
      if (shape !== this.#frameShape) {
        const message = `${path}: expected [${this.#frameShape}], got [${shape}]`;
        throw new ConvLSTMError('ERR_SHAPE', message);
      }
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
    normalize: true,
    crop: true,
    flip: true,
    vary: true,
    seed: true,
  });
  const { inputLength, targetLength, stride = 1, flip = 'none', vary = false, seed = 0 } = options;
  const { normalize = {}, crop } = options;
  checkNames('normalize', normalize, { mean: true, std: true });
  for (const [name, value] of Object.entries({ inputLength, targetLength, stride })) {
    checkCount(name, value);
  }
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
    mean,
    std,
    crop: crop === undefined ? null : checkSize('crop', crop),
    flip,
    vary,
    seed,
  };
}

/** Called by the workers of a `DataLoader`. @internal */
export default function openFrameFolder({
  folder,
  ...options
}: FrameFolderOptions & { folder: string }): Promise<FrameFolder> {
  return FrameFolder.open(folder, options);
}
