/** Random numbers that depend on the seed alone, not on device, platform or number of threads. */
import { randomBytes } from 'node:crypto';
import { ConvLSTMError } from '../errors.js';
import { checkSeed, refuseOption } from '../options.js';
import { Philox, type PhiloxState } from '../philox.js';

/** A position in the random numbers of one seed; JSON can hold it. */
export interface RandomState {
  /** Lower 32 bits of the seed. */
  readonly key0: number;
  /** Upper 21 bits of the seed. */
  readonly key1: number;
  /** Blocks of four numbers taken so far. */
  readonly counter: number;
}

function seeded(seed: number): Philox {
  return new Philox({ key0: seed >>> 0, key1: Math.floor(seed / 2 ** 32), counter: 0 });
}

let generator = seeded(randomBytes(6).readUIntLE(0, 6));

/**
 * Seeds this thread's generator: initial weights, dropout, `Tensor.rand` and `Tensor.randn` then give the
 * same values on every device and platform. Without a seed they differ from run to run.
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
 * The state of this thread's generator, as checkpoints save it.
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
 * Sets the state of this thread's generator.
 *
 * @throws ConvLSTMError ERR_OPTION for anything but a state
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

/** Skips `count` random words, which a backend computes from the returned state. */
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

/** Uniform in [low, high), in steps of 2^-24 of the range. */
export function uniformValues(count: number, low: number, high: number): Float32Array {
  const values = newValues(count);
  generator.words(count, (word, index) => {
    values[index] = low + (high - low) * ((word >>> 8) / 2 ** 24);
  });
  return values;
}

/** Standard normal, by Box and Muller's method. */
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
    values[index] = radius * Math.sin(angle); // past the end for an odd count: no effect
  });
  return values;
}
