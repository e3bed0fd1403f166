// Which frames of a source follow one another.
import { BlockCache } from '../io/block-cache.js';
import { formatError, sourceName } from '../io/files.js';
import { openFrames } from '../io/frame-formats.js';
import type { FrameSource } from '../io/frame-list.js';
import { listFrames } from '../io/frame-list.js';
import {
  beginsSequence,
  checkSourceOptions,
  type FrameSourceOptions,
  type OpenFile,
  timeOfFrame,
} from '../io/frames.js';
import { warnOnce } from '../warn.js';

/** Consecutive frames of one file. */
export interface Span {
  /** Index in `files`. */
  file: number;
  first: number;
  frames: number;
}

/** Frames one step apart. */
export interface Run {
  spans: Span[];
  frames: number;
}

/** What a source holds; plain data, which worker threads get a copy of. */
export interface FrameIndex {
  files: readonly OpenFile[];
  runs: readonly Run[];
  /** Unit of the values; null for formats without one. */
  unit: string | null;
}

/** A span with the time of its first frame; of several frames only where times are unknown. */
interface TimedSpan extends Span {
  time: number | null;
}

const kMinute = 60_000;

/** Opens every file of a source: all frames, in sequences. */
async function findSequences(source: FrameSource, options: FrameSourceOptions) {
  const { pattern, layout } = checkSourceOptions(options);
  const cache = new BlockCache(0);
  const files: OpenFile[] = [];
  const sequences: TimedSpan[][] = [];
  let unit: string | null | undefined;
  for (const [list, listedFiles] of (await listFrames(source, pattern)).entries()) {
    for (const listed of listedFiles) {
      const {
        count,
        sequences: parts,
        times,
        unit: found,
      } = await openFrames(listed.source, cache, layout);
      const file: OpenFile = { listed, list, count, sequences: parts, times };
      if (unit === undefined) unit = found;
      if (unit !== found) {
        const message = `expected values in ${unit ?? 'no unit'}, as the first frame has, got ${found ?? 'no unit'}`;
        throw formatError(sourceName(listed.source), message);
      }
      const frames = times === null ? count / parts : 1;
      for (let first = 0; first < count; first += frames) {
        const time = timeOfFrame(file, first)?.getTime() ?? null;
        const span = { file: files.length, first, frames, time };
        if (beginsSequence(files.at(-1) ?? null, file, first)) sequences.push([span]);
        else sequences.at(-1)!.push(span);
      }
      files.push(file);
    }
  }
  return { files, sequences, unit: unit ?? null };
}

/** Steps from each frame to the next; null where a time is unknown. */
const stepsOf = (sequence: readonly TimedSpan[]) =>
  sequence.slice(1).map(({ time }, n) => {
    const before = sequence[n]!.time;
    return time === null || before === null ? null : time - before;
  });

/** The commonest step above 0; of several as common, the middle one. Null without times. */
function commonestStep(sequences: readonly TimedSpan[][]): number | null {
  const counts = new Map<number, number>();
  for (const sequence of sequences) {
    for (const step of stepsOf(sequence)) {
      if (step !== null && step > 0) counts.set(step, (counts.get(step) ?? 0) + 1);
    }
  }
  const most = [...counts.values()].reduce((a, b) => Math.max(a, b), 0);
  const steps = [...counts].filter(([, count]) => count === most).map(([step]) => step);
  return steps.sort((a, b) => a - b)[steps.length >> 1] ?? null;
}

/** Joins frames of one file that follow one another. */
function toRun(spans: readonly TimedSpan[]): Run {
  const joined: Span[] = [];
  for (const { file, first, frames } of spans) {
    const before = joined.at(-1);
    if (before?.file === file) before.frames += frames;
    else joined.push({ file, first, frames });
  }
  return { spans: joined, frames: joined.reduce((sum, { frames }) => sum + frames, 0) };
}

/**
 * Lists a source's frames and cuts its sequences where time leaps: where a step is above 1.5 or not above
 * 0.5 of the usual one.
 *
 * @param step the usual step, minutes; null for the commonest one
 * @param length frames of a window, for a warning of frames that are in none
 * @throws ConvLSTMError as `readFrames` does
 */
export async function indexFrames(
  source: FrameSource,
  options: FrameSourceOptions,
  step: number | null,
  length: number,
): Promise<FrameIndex> {
  const { files, sequences, unit } = await findSequences(source, options);
  const usual = step === null ? commonestStep(sequences) : step * kMinute;
  const runs: Run[] = [];
  let gaps = 0;
  let where = '';
  let lost = 0;
  for (const sequence of sequences) {
    const steps = stepsOf(sequence);
    const isGap = (n: number) => {
      const found = steps[n] ?? null;
      return usual !== null && found !== null && !(found > 0.5 * usual && found <= 1.5 * usual);
    };
    let first = 0;
    for (let n = 0; n < sequence.length; n++) {
      const end = n + 1 === sequence.length;
      if (!end && !isGap(n)) continue;
      const run = toRun(sequence.slice(first, n + 1));
      runs.push(run);
      if (!end) {
        gaps++;
        where ||= `first from ${[n, n + 1].map((at) => new Date(sequence[at]!.time!).toISOString()).join(' to ')}`;
      }
      if (sequence.length > n + 1 - first && run.frames < length) lost += run.frames;
      first = n + 1;
    }
  }
  if (gaps > 0) {
    const message =
      `${describe(source)}: ${gaps} ${gaps === 1 ? 'gap' : 'gaps'} in time, ${where}, where a step is ${usual! / kMinute} min: ` +
      `no window crosses them, and ${lost} frames between them are in no window of ${length}`;
    warnOnce('CONVLSTM_GAPS', message);
  }
  return { files, runs, unit };
}

function describe(source: FrameSource): string {
  return Array.isArray(source) ? `${source.length} paths` : sourceName(source as string | URL);
}
