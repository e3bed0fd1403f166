import { ConvLSTMError } from '../errors.js';
import { type NdArray, safeElementCount } from '../io/nd-array.js';

/** One example of a dataset: named arrays, such as the frames of the input and of the target. */
export type Sample = Readonly<Record<string, Readonly<NdArray>>>;

/** Recipe from which a worker thread makes its own copy of a dataset. */
export interface DatasetSource {
  /** URL of a module whose default export makes the dataset from `options`, or a promise of it. */
  module: string | URL;
  /** Argument of the default export; any value that structured clone copies. */
  options?: unknown;
}

/**
 * Samples by number. Sample `index` of `epoch` always has the same values, so that worker threads and
 * resumed or repeated runs agree. A dataset may vary its samples by epoch.
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
  /** Recipe for worker threads; without it a `DataLoader` uses this thread only. */
  readonly source?: DatasetSource | undefined;
  /** Sample `index`, 0 to `length` - 1, of epoch 0, 1, ... */
  get(index: number, epoch: number): S | Promise<S>;
}

/** A training example of a sequence model. */
export type SequenceSample = {
  /** Frames of the input: [T, C, H, W]. */
  input: NdArray;
  /** Frames that follow the input: [T', C, H, W]. */
  target: NdArray;
};

/** Splits frames [T, C, H, W] along time, without a copy. @internal */
export function splitSequence(frames: NdArray, inputLength: number): SequenceSample {
  const [time, ...frame] = frames.shape;
  const at = (inputLength * frames.data.length) / time!;
  return {
    input: { data: frames.data.subarray(0, at), shape: [inputLength, ...frame] },
    target: { data: frames.data.subarray(at), shape: [time! - inputLength, ...frame] },
  };
}

/** Arrays of stacked samples by name: [batch, ...]. @internal */
export type BatchArrays = Record<string, { data: Float32Array<ArrayBuffer>; shape: number[] }>;

function at(index: number, message: string, cause?: unknown): ConvLSTMError {
  const code = cause instanceof ConvLSTMError ? cause.code : cause ? 'ERR_IO' : 'ERR_SHAPE';
  return new ConvLSTMError(code, `sample ${index}: ${message}`, { cause });
}

async function getSample(dataset: Dataset, index: number, epoch: number): Promise<Sample> {
  try {
    return await dataset.get(index, epoch);
  } catch (error) {
    const cause = error instanceof Error ? error : new Error(String(error));
    throw at(index, cause.message, cause);
  }
}

function isSample(value: unknown): value is Sample {
  if (typeof value !== 'object' || value === null) return false;
  const arrays: Partial<NdArray | null>[] = Object.values(value);
  return arrays.length > 0 && arrays.every((array) => array?.data && Array.isArray(array.shape));
}

/**
 * Stacks the samples of `indices` into one batch.
 *
 * @throws ConvLSTMError ERR_SHAPE for a sample unlike the first or without arrays; an error of `get`
 *   keeps its code, or becomes ERR_IO, with the original as the cause
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
