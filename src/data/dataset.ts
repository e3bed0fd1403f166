import { ConvLSTMError } from '../errors.js';
import { type NdArray, safeElementCount } from '../io/nd-array.js';

/** One example of a dataset: named arrays, such as the frames seen and those to forecast. */
export type Sample = Readonly<Record<string, Readonly<NdArray>>>;

/** How a worker thread makes a dataset of its own. */
export interface DatasetSource {
  /** URL of a module whose default export makes the dataset of `options`, or promises to. */
  module: string | URL;
  /** Anything that can be copied to another thread. */
  options?: unknown;
}

/**
 * Samples by number. Whoever asks for sample `index` of `epoch` gets the same values, so that worker
 * threads, resumed runs and repeated ones agree; epochs differ only where a dataset says so.
 *
 * @example
 * ```ts
 * const squares: Dataset = {
 *   length: 100,
 *   get: (index) => ({
 *     input: { data: Float32Array.of(index), shape: [1] },
 *     target: { data: Float32Array.of(index ** 2), shape: [1] },
 *   }),
 * };
 * ```
 */
export interface Dataset<S extends Sample = Sample> {
  /** Samples in an epoch. */
  readonly length: number;
  /** How workers make it; without it a `DataLoader` uses this thread only. */
  readonly source?: DatasetSource | undefined;
  /** Sample `index`, from 0 to `length` - 1, of an epoch, 0 and up. */
  get(index: number, epoch: number): S | Promise<S>;
}

/** What a sequence model learns from. */
export type SequenceSample = {
  /** Frames that are seen: [T, C, H, W]. */
  input: NdArray;
  /** Frames that follow them: [T', C, H, W]. */
  target: NdArray;
};

/** Frames [T, C, H, W], cut in two without a copy. @internal */
export function splitSequence(frames: NdArray, inputLength: number): SequenceSample {
  const [time, ...frame] = frames.shape;
  const at = (inputLength * frames.data.length) / time!;
  return {
    input: { data: frames.data.subarray(0, at), shape: [inputLength, ...frame] },
    target: { data: frames.data.subarray(at), shape: [time! - inputLength, ...frame] },
  };
}

/** Samples side by side along a new first axis, by the names of their arrays. @internal */
export type BatchArrays = Record<string, { data: Float32Array<ArrayBuffer>; shape: number[] }>;

function at(index: number, message: string, cause?: unknown): ConvLSTMError {
  const code = cause instanceof ConvLSTMError ? cause.code : cause ? 'ERR_IO' : 'ERR_SHAPE';
  return new ConvLSTMError(code, `sample ${index}: ${message}`, { cause });
}

async function getSample(dataset: Dataset, index: number, epoch: number): Promise<Sample> {
  try {
    return await dataset.get(index, epoch);
  } catch (error) {
    throw at(index, error instanceof Error ? error.message : String(error), error);
  }
}

function isSample(value: unknown): value is Sample {
  if (typeof value !== 'object' || value === null) return false;
  const arrays: Partial<NdArray | null>[] = Object.values(value);
  return arrays.length > 0 && arrays.every((array) => array?.data && Array.isArray(array.shape));
}

/**
 * The samples of `indices` as one batch.
 *
 * @throws ConvLSTMError ERR_SHAPE for a sample that is none or unlike the first; for what `get` throws its own code, or
 *   ERR_IO, with it as the cause
 * @internal
 */
export async function collate(
  dataset: Dataset,
  indices: readonly number[],
  epoch: number,
): Promise<BatchArrays> {
  const batch: BatchArrays = {};
  for (const [n, index] of indices.entries()) {
    const sample = await getSample(dataset, index, epoch);
    if (!isSample(sample)) throw at(index, 'expected arrays { data, shape } by name');
    const names = Object.keys(n === 0 ? sample : batch);
    if (names.some((name) => !sample[name]) || Object.keys(sample).length !== names.length) {
      throw at(index, `expected ${names.join(', ')}, got ${Object.keys(sample).join(', ')}`);
    }
    for (const name of names) {
      const { data, shape } = sample[name]!;
      if (safeElementCount(shape) !== data.length) {
        throw at(index, `${name}: [${shape.join(', ')}] does not hold ${data.length} values`);
      }
      batch[name] ??= {
        data: new Float32Array(indices.length * data.length),
        shape: [indices.length, ...shape],
      };
      const expected = batch[name].shape.slice(1).join(', ');
      if (expected !== shape.join(', ')) {
        throw at(index, `${name}: expected [${expected}], got [${shape.join(', ')}]`);
      }
      batch[name].data.set(data, n * data.length);
    }
  }
  return batch;
}
