import { stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { ConvLSTMError } from '../errors.js';
import { checkAtLeastZero, checkCount, checkNames } from '../options.js';
import { warnOnce } from '../warn.js';
import { BlockCache } from './block-cache.js';
import { type ListedSource, sourceName, systemPath } from './files.js';
import { type FrameFile, openFrames } from './frame-formats.js';
import { checkLayout } from './frame-layout.js';
import { type FrameSource, type ListedFile, listFrames } from './frame-list.js';
import type { NdArray } from './nd-array.js';
import { compileTimePattern, type TimePattern } from './time-pattern.js';

/** A frame of `readFrames`. */
export interface SourceFrame extends NdArray {
  /** Values [C, H, W] in row-major order. */
  data: Float32Array;
  /** [C, H, W] */
  shape: number[];
  /** Time in UTC, from the file or from its name; null if neither has one. */
  time: Date | null;
  /** Name of the file, from the source's folder; with the frame's number if the file has several: `a.npy[3]`. */
  name: string;
  /** Unit of the values, `mm/h`; null for formats that do not have one. */
  unit: string | null;
  /** Number of the sequence, from 0: frames of two sequences do not follow one another. */
  sequence: number;
}

/** Options of `readFrames` that say how to understand files; those of `FrameFolder` too. */
export interface FrameSourceOptions {
  /**
   * Where names have their times, in UTC: `radar_{yyyy}{MM}{dd}_{HH}{mm}`. Fields: yyyy, yy, MM, MMM (month
   * name), dd, DDD (day of the year), HH, mm, ss; `*` is any text; a slash spans folders, whose files are
   * one sequence then. Default: times that are unmistakable, such as 202406302330 or 2024-06-30T23:30.
   */
  timePattern?: string | undefined;
  /**
   * Axes of `.npy` arrays: N sequences, T times, C channels, H rows, W columns, in their order. Default by
   * the number of axes: `HW`, `THW`, `TCHW`, `NTCHW`.
   */
  layout?: string | undefined;
}

/** Options of `readFrames`. */
export interface ReadFramesOptions extends FrameSourceOptions {
  /** Number of frames at the end to read; all by default. */
  last?: number | undefined;
  /** Seconds to wait for the last file if it is incomplete, as one being written is; 0 by default. */
  wait?: number | undefined;
}

/** @throws ConvLSTMError ERR_OPTION @internal */
export function checkSourceOptions({ timePattern, layout }: FrameSourceOptions): {
  pattern: TimePattern | null;
  layout: string | null;
} {
  return {
    pattern: timePattern === undefined ? null : compileTimePattern('timePattern', timePattern),
    layout: layout === undefined ? null : checkLayout('layout', layout),
  };
}

/** A listed file and what it holds. @internal */
export interface OpenFile extends Pick<FrameFile, 'count' | 'sequences' | 'times'> {
  listed: ListedFile;
  /** Number of its list: files of two lists are not consecutive. */
  list: number;
}

/**
 * Whether frame `index` begins a sequence: in another list, in a file of several frames, which is a
 * sequence of its own, behind one, or where a file's next sequence begins.
 *
 * @internal
 */
export function beginsSequence(before: OpenFile | null, file: OpenFile, index: number): boolean {
  if (index > 0) return index % (file.count / file.sequences) === 0;
  return before === null || before.list !== file.list || before.count > 1 || file.count > 1;
}

/** Time of a frame: the file's own, else that of its name. @internal */
export function timeOfFrame({ listed, times, count }: OpenFile, index: number): Date | null {
  return times?.[index] ?? (count === 1 ? listed.time : null);
}

/** `a.npy[3]`, `a.npy[2][3]` for frame 3 of sequence 2. @internal */
export function nameOfFrame(
  { listed: { name }, count, sequences }: OpenFile,
  index: number,
): string {
  if (count === 1) return name;
  const length = count / sequences;
  const sequence = sequences > 1 ? `[${Math.floor(index / length)}]` : '';
  return `${name}${sequence}[${index % length}]`;
}

const kPollMs = 200;

/** A file changed so lately may still be written. */
const kFreshMs = 60_000;

/** Milliseconds since the last change of a file. */
async function ageOf(source: ListedSource): Promise<number> {
  return Date.now() - (await stat(systemPath(source)!)).mtimeMs;
}

/** Opens the last file, which may be incomplete yet: waits, or says so. */
async function openLast(open: () => Promise<FrameFile>, source: ListedSource, seconds: number) {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    try {
      const file = await open();
      if (file.count === 1) await file.read(0);
      return file;
    } catch (error) {
      if (!(error instanceof ConvLSTMError) || error.code !== 'ERR_FORMAT') throw error;
      if (Date.now() < end) {
        await setTimeout(kPollMs);
        continue;
      }
      const age = await ageOf(source);
      if (age > kFreshMs) throw error;
      const message = `${error.message}; it changed ${(age / 1000).toFixed(1)} s ago: if it is still being written, the option wait waits for it`;
      throw new ConvLSTMError('ERR_FORMAT', message, { cause: error });
    }
  }
}

/** Follows the times of frames and warns once of a step unlike the first. */
class TimeWatch {
  #before: SourceFrame | null = null;
  #step = 0;
  #warned = false;

  /** Returns whether time goes back. */
  goesBack(frame: SourceFrame): boolean {
    const before = this.#before;
    this.#before = frame;
    if (!before?.time || !frame.time || before.sequence !== frame.sequence) return false;
    const step = frame.time.getTime() - before.time.getTime();
    if (step <= 0) return true;
    this.#step ||= step;
    if (!this.#warned && (step > 1.5 * this.#step || step < this.#step / 1.5)) {
      this.#warned = true;
      const [expected, got] = [this.#step, step].map((ms) => `${ms / 60_000} min`);
      const message = `frames do not follow one another in equal steps: ${got} from ${before.name} to ${frame.name}, ${expected} before`;
      warnOnce('CONVLSTM_GAPS', message);
    }
    return false;
  }
}

interface Part {
  file: OpenFile & FrameFile;
  first: number;
}

/** The files of `lists` in order, opened one at a time; with `last`, those of the last frames. */
async function* openParts(
  lists: readonly (readonly ListedFile[])[],
  open: (listed: ListedFile, isLast: boolean) => Promise<FrameFile>,
  last: number,
): AsyncGenerator<Part> {
  const files = lists.flatMap((listed, list) => listed.map((each) => ({ listed: each, list })));
  const openOne = async (n: number) => {
    const { listed, list } = files[n]!;
    return { ...(await open(listed, n === files.length - 1)), listed, list };
  };
  if (last === Infinity) {
    for (const n of files.keys()) yield { file: await openOne(n), first: 0 };
    return;
  }
  const parts: Part[] = [];
  for (let n = files.length - 1, missing = last; n >= 0 && missing > 0; n--) {
    const file = await openOne(n);
    parts.unshift({ file, first: Math.max(0, file.count - missing) });
    missing -= file.count;
  }
  yield* parts;
}

/** Bytes of decoded files that are kept while the last frames are looked for. */
const kLastBytes = 2 ** 28;

/**
 * Reads frames one at a time, each [C, H, W], from a file, a folder, a list of files and folders, or a
 * file's bytes. A folder's files come in the order of the times in their names, else in natural order;
 * then its folders, each a sequence of its own. PNG, JPEG and PGM give values 0..1, HDF5 radar composites mm/h,
 * `.npy` and `.npz` arrays their own values. Content decides the format, not the name. `docs/data.md` has
 * the rules.
 *
 * @throws ConvLSTMError ERR_FORMAT for other content, ERR_SHAPE for a frame unlike the first, ERR_IO for
 *   a file or folder that cannot be read, ERR_OPTION for names whose dates are ambiguous, for an array that
 *   needs a layout, and for an option out of range
 * @example
 * ```ts
 * for await (const { data, shape, time } of readFrames('radar/', { last: 10 })) console.log(time, shape);
 * ```
 */
export async function* readFrames(
  source: FrameSource | Uint8Array | ArrayBuffer,
  options: ReadFramesOptions = {},
): AsyncGenerator<SourceFrame> {
  checkNames('readFrames', options, { timePattern: true, layout: true, last: true, wait: true });
  const { pattern, layout } = checkSourceOptions(options);
  const last = options.last === undefined ? Infinity : checkCount('last', options.last);
  const wait = checkAtLeastZero('wait', options.wait ?? 0);
  const cache = new BlockCache(last === Infinity ? 0 : kLastBytes);
  const lists = await listFrames(source, pattern);
  const open = ({ source: from }: ListedFile, isLast: boolean) => {
    const openNow = () => openFrames(from, cache, layout);
    return isLast && systemPath(from) !== null ? openLast(openNow, from, wait) : openNow();
  };
  const times = new TimeWatch();
  let expected: { shape: string; unit: string | null } | undefined;
  let before: OpenFile | null = null;
  let sequence = -1;
  for await (const { file, first } of openParts(lists, open, last)) {
    for (let index = first; index < file.count; index++) {
      if (sequence < 0 || beginsSequence(before, file, index)) sequence++;
      const array = await file.read(index);
      const [time, name] = [timeOfFrame(file, index), nameOfFrame(file, index)];
      const frame: SourceFrame = { ...array, time, name, unit: file.unit, sequence };
      const shape = array.shape.join(', ');
      expected ??= { shape, unit: frame.unit };
      checkLike(sourceName(file.listed.source), expected, shape, frame.unit);
      if (times.goesBack(frame)) frame.sequence = ++sequence;
      yield frame;
    }
    before = file;
  }
}

/**
 * @throws ConvLSTMError ERR_SHAPE for a shape, ERR_FORMAT for a unit unlike that of the first frame
 * @internal
 */
export function checkLike(
  name: string,
  expected: { shape: string; unit: string | null },
  shape: string,
  unit: string | null,
): void {
  if (shape !== expected.shape) {
    throw new ConvLSTMError('ERR_SHAPE', `${name}: expected [${expected.shape}], got [${shape}]`);
  }
  if (unit !== expected.unit) {
    const message = `${name}: expected values in ${expected.unit ?? 'no unit'}, as the first frame has, got ${unit ?? 'no unit'}`;
    throw new ConvLSTMError('ERR_FORMAT', message);
  }
}
