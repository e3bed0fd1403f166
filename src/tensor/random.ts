/** Random numbers that depend on the seed alone, not on device, platform or thread count. */
import { randomBytes } from 'node:crypto';
import { ConvLSTMError } from '../errors.js';
import { checkSeed, refuseOption } from '../options.js';
import { Philox, type PhiloxState } from '../philox.js';

/** A place in the sequence of random numbers of one seed: JSON. */
export interface RandomState {
  /** The lower 32 bits of the seed. */
  readonly key0: number;
  /** Those above. */
  readonly key1: number;
  /** Blocks of four numbers taken so far. */
  readonly counter: number;
}

function seeded(seed: number): Philox {
  return new Philox({ key0: seed >>> 0, key1: Math.floor(seed / 2 ** 32), counter: 0 });
}

let generator = seeded(randomBytes(6).readUIntLE(0, 6));

/**
 * Starts the sequence of random numbers of this thread afresh: initial weights, `Tensor.rand` and
 * `Tensor.randn` then give the same values on every device and platform. Without a seed they differ
 * from run to run.
 *
 * @param seed an integer from 0 to 2^53 - 1
 * @throws ConvLSTMError ERR_OPTION for anything else
 * @example
 * ```ts
 * manualSeed(42);
 * const net = new ConvLSTM({ inputDim: 1, hiddenDim: 16, kernelSize: 3 });
 * ```
 */
export function manualSeed(seed: number): void {
  generator = seeded(checkSeed('seed', seed));
}

/**
 * Where the random numbers of this thread stand: what a checkpoint keeps.
 *
 * @example
 * ```ts
 * const state = randomState();
 * const x = Tensor.rand([3]);
 * setRandomState(state);
 * const same = Tensor.rand([3]);
 * ```
 */
export function randomState(): RandomState {
  return generator.take(0);
}

/**
 * Goes on from a state.
 *
 * @throws ConvLSTMError ERR_OPTION for what `randomState` did not return
 * @example
 * ```ts
 * setRandomState(state);
 * ```
 */
export function setRandomState(state: RandomState): void {
  const { key0, key1, counter } = (state ?? {}) as RandomState;
  const valid = [key0, key1].every((key) => Number.isInteger(key) && key >= 0 && key < 2 ** 32);
  if (!valid || !Number.isSafeInteger(counter) || counter < 0) {
    refuseOption('random state', '{ key0, key1, counter }', state);
  }
  generator = new Philox({ key0, key1, counter });
}

/** Sets `count` random words of the sequence aside for a backend to make. */
export function takeWords(count: number): PhiloxState {
  return generator.take(count);
}

function newValues(count: number): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(count);
  } catch (cause) {
    const message = `out of memory: ${count} random numbers`;
    throw new ConvLSTMError('ERR_OUT_OF_MEMORY', message, { cause });
  }
}

/** Even in [low, high), in steps of 2^-24 of the range. */
export function uniformValues(count: number, low: number, high: number): Float32Array {
  const values = newValues(count);
  generator.words(count, (word, index) => {
    values[index] = low + (high - low) * ((word >>> 8) / 2 ** 24);
  });
  return values;
}

/** Mean 0, variance 1, by Box and Muller's method. */
export function normalValues(count: number): Float32Array {
  const values = newValues(count);
  let radius = 0;
  generator.words(count + (count % 2), (word, index) => {
    if (index % 2 === 0) {
      radius = Math.sqrt(-2 * Math.log((word + 1) / 2 ** 32));
      return;
    }
    const angle = (2 * Math.PI * word) / 2 ** 32;
    values[index - 1] = radius * Math.cos(angle);
    values[index] = radius * Math.sin(angle); // beyond the end for an odd count: not kept
  });
  return values;
}
