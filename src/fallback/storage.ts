import type { Storage } from '../../binding.js';
import { ConvLSTMError, toConvLSTMError } from '../errors.js';

/** Elements, or the error of their computation. */
export class FallbackStorage implements Storage {
  readonly length: number;
  #values: Float32Array | ConvLSTMError | null;

  constructor(length: number, values: Float32Array | ConvLSTMError) {
    this.length = length;
    this.#values = values;
  }

  get disposed(): boolean {
    return this.#values === null;
  }

  /** The elements, not a copy. Throws the error of their computation, if any. */
  values(): Float32Array {
    if (this.#values === null) {
      throw new ConvLSTMError('ERR_DISPOSED', 'the storage was disposed');
    }
    if (this.#values instanceof ConvLSTMError) throw this.#values;
    return this.#values;
  }

  async data(): Promise<Float32Array<ArrayBuffer>> {
    return this.dataSync();
  }

  dataSync(): Float32Array<ArrayBuffer> {
    return new Float32Array(this.values());
  }

  dispose(): void {
    this.#values = null;
  }
}

/** The elements of a storage of this backend. */
export function valuesOf(storage: Storage): Float32Array {
  return ours(storage).values();
}

export function optionalValuesOf(storage: Storage | null): Float32Array | null {
  return storage && valuesOf(storage);
}

function ours(storage: Storage): FallbackStorage {
  if (storage instanceof FallbackStorage) return storage;
  throw new ConvLSTMError('ERR_DEVICE', 'a storage of another backend was given to the fallback');
}

function keptError(error: unknown): ConvLSTMError {
  // V8 throws it for a typed array that is too long or exceeds the memory.
  if (error instanceof RangeError) {
    return new ConvLSTMError('ERR_OUT_OF_MEMORY', error.message, { cause: error });
  }
  return toConvLSTMError(error);
}

/**
 * Computes results of the given lengths, which start as zeros. Throws for misuse of a storage; the results
 * keep an error of `body`, also that of a failed input.
 */
export function compute(
  inputs: readonly (Storage | null)[],
  lengths: readonly number[],
  body: (...outputs: Float32Array[]) => void,
): FallbackStorage[] {
  for (const input of inputs) {
    if (input && ours(input).disposed) {
      throw new ConvLSTMError('ERR_DISPOSED', 'an operand was disposed');
    }
  }
  try {
    const outputs = lengths.map((length) => new Float32Array(length));
    body(...outputs);
    return outputs.map((values) => new FallbackStorage(values.length, values));
  } catch (error) {
    return lengths.map((length) => new FallbackStorage(length, keptError(error)));
  }
}

/** `compute` for an operation of one result. */
export function computeOne(
  inputs: readonly Storage[],
  length: number,
  body: (output: Float32Array) => void,
): FallbackStorage {
  return compute(inputs, [length], body as (...outputs: Float32Array[]) => void)[0]!;
}
