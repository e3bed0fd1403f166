import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pair } from '../../binding.js';
import { ConvLSTMError, show } from '../errors.js';
import { type FilePath, ioError, toPath } from '../io/files.js';
import { countFrames, inNaturalOrder, isFrameFile, noFrames, readFile } from '../io/frames.js';
import type { NdArray } from '../io/nd-array.js';
import { checkCount, checkFlag, checkNames, checkSize, type Size } from '../options.js';
import { type Dataset, type DatasetSource, type SequenceSample, splitSequence } from './dataset.js';
import { checkSeed, RandomStream } from './random-stream.js';

/** Options of `FrameFolder`. */
export interface FrameFolderOptions {
  /** Frames of a sample's input. */
  inputLength: number;
  /** Frames of its target, which follow at once. */
  targetLength: number;
  /** Frames from the beginning of one window to that of the next; 1 by default. */
  stride?: number | undefined;
  /** Values become (x - mean) / std. */
  normalize?:
    | {
        /** 0 by default. */
        mean?: number | undefined;
        /** 1 by default. */
        std?: number | undefined;
      }
    | undefined;
  /** [height, width] that is cut out of the frames, the same of all frames of a window. */
  crop?: Size | undefined;
  /** Axes along which half of the windows are mirrored when they are varied; none by default. */
  flip?: 'none' | 'horizontal' | 'vertical' | 'both' | undefined;
  /**
   * Crops anywhere, and flips: another place and another side in each epoch, as the seed decides. Else
   * the crop is from the middle and nothing is flipped. False by default.
   */
  vary?: boolean | undefined;
  /** 0 by default. */
  seed?: number | undefined;
}

/** The options with their defaults. */
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

/** Consecutive frames: the files of one folder. */
interface Sequence {
  files: readonly FrameFile[];
  frames: number;
  windows: number;
}

/** Decoded files are kept up to this, those last used: neighbouring windows share most frames. */
const kCacheBytes = 256 * 2 ** 20;

class FrameCache {
  /** In the order of their last use. */
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
      if (bytes === 0) continue; // still being read
      this.#files.delete(path);
      this.#bytes -= bytes;
    }
  }
}

/** How many windows of `length` frames, `stride` apart, `frames` have. */
function windowsIn(frames: number, length: number, stride: number): number {
  return frames < length ? 0 : Math.floor((frames - length) / stride) + 1;
}

async function findSequences(folder: string, length: number, stride: number): Promise<Sequence[]> {
  const files: FrameFile[] = [];
  const folders: string[] = [];
  for (const name of inNaturalOrder(await readdir(folder))) {
    const path = join(folder, name);
    // Through links, which folders of data often are.
    if ((await stat(path)).isDirectory()) folders.push(path);
    else if (isFrameFile(name)) files.push({ path, frames: await countFrames(path) });
  }
  const frames = files.reduce((sum, file) => sum + file.frames, 0);
  const own = frames > 0 ? [{ files, frames, windows: windowsIn(frames, length, stride) }] : [];
  const inside: Sequence[] = [];
  for (const path of folders) inside.push(...(await findSequences(path, length, stride)));
  return [...own, ...inside];
}

/** The part [height, width] of a frame [C, H, W] from (top, left), normalised and mirrored, into `into`. */
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
 * Windows that slide over the frames of a folder: PNG, PGM, `.npy` and HDF5 radar composites, in natural
 * order of their names, as `readFrames` reads them. Every subfolder is a sequence of its own, which no
 * window leaves.
 *
 * @example
 * ```ts
 * const radar = await FrameFolder.open('radar/', { inputLength: 10, targetLength: 10, crop: 256, vary: true });
 * for await (const { input, target } of new DataLoader(radar, { batchSize: 4, shuffle: true, workers: 1 })) {}
 * ```
 */
export class FrameFolder implements Dataset<SequenceSample> {
  /** Windows in all sequences. */
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
   * Looks what is in the folder; frames are read when a sample is asked for.
   *
   * @throws ConvLSTMError ERR_OPTION for an option out of its range, ERR_IO for a folder that cannot be
   *   read or has no window of that many frames
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
      const message = `${path}: expected a sequence of at least ${length} frames, got ${longest} at most`;
      throw new ConvLSTMError('ERR_IO', message);
    }
    const source = { module: import.meta.url, options: { folder: path, ...options } };
    return new FrameFolder(sequences, settings, source);
  }

  /**
   * Window `index`; the epoch decides how it is varied.
   *
   * @throws ConvLSTMError ERR_OPTION for an index that is none, ERR_SHAPE for frames of another size than
   *   the first, ERR_FORMAT, ERR_IO for a file that cannot be read
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
      const message = `index: expected 0 to ${this.length - 1}, got ${index}`;
      throw new ConvLSTMError('ERR_OPTION', message);
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
      const message = `crop: expected at most [${fullHeight}, ${fullWidth}], got [${height}, ${width}]`;
      throw new ConvLSTMError('ERR_OPTION', message);
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
  checkSeed(seed);
  const flips = ['none', 'horizontal', 'vertical', 'both'];
  if (!flips.includes(flip)) {
    const message = `flip: expected ${flips.join(', ')}, got ${show(flip)}`;
    throw new ConvLSTMError('ERR_OPTION', message);
  }
  const { mean = 0, std = 1 } = normalize;
  if (!Number.isFinite(mean)) {
    throw new ConvLSTMError('ERR_OPTION', `normalize.mean: expected a number, got ${mean}`);
  }
  if (!(std > 0 && Number.isFinite(std))) {
    throw new ConvLSTMError('ERR_OPTION', `normalize.std: expected a number above 0, got ${std}`);
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

/** What a `DataLoader`'s worker calls. @internal */
export default function openFrameFolder({
  folder,
  ...options
}: FrameFolderOptions & { folder: string }): Promise<FrameFolder> {
  return FrameFolder.open(folder, options);
}
