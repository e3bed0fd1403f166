/**
 * Random numbers that depend on the seed alone, not on device, platform or thread count: Philox4x32-10
 * (Salmon et al. 2011), a counter-based generator.
 */
import { randomBytes } from 'node:crypto';
import { ConvLSTMError } from '../errors.js';

const kMultiplier0 = 0xd2511f53;
const kMultiplier1 = 0xcd9e8d57;
const kKeyStep0 = 0x9e3779b9;
const kKeyStep1 = 0xbb67ae85;

/** The upper 32 bits of a 32 by 32 bit product. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carry = Math.floor((aLow * bHigh + (middle % 0x10000)) / 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + carry) >>> 0;
}

/** Ten rounds; `block` holds the counter and is overwritten with four random words. */
export function philox4x32(block: Uint32Array, key0: number, key1: number): void {
  for (let round = 0; round < 10; round++) {
    const [x0, x1, x2, x3] = block as unknown as [number, number, number, number];
    block[0] = multiplyHigh(kMultiplier1, x2) ^ x1 ^ key0;
    block[1] = Math.imul(kMultiplier1, x2);
    block[2] = multiplyHigh(kMultiplier0, x0) ^ x3 ^ key1;
    block[3] = Math.imul(kMultiplier0, x0);
    key0 += kKeyStep0;
    key1 += kKeyStep1;
  }
}

class Generator {
  #key0: number;
  #key1: number;
  #counter = 0;

  constructor(seed: number) {
    this.#key0 = seed >>> 0;
    this.#key1 = Math.floor(seed / 2 ** 32) >>> 0;
  }

  /** Calls `use` with `count` random words; every call begins with a fresh block. */
  words(count: number, use: (word: number, index: number) => void): void {
    const block = new Uint32Array(4);
    for (let index = 0; index < count; ) {
      block[0] = this.#counter >>> 0;
      block[1] = Math.floor(this.#counter / 2 ** 32);
      block[2] = 0;
      block[3] = 0;
      this.#counter++;
      philox4x32(block, this.#key0, this.#key1);
      for (let k = 0; k < 4 && index < count; k++) use(block[k]!, index++);
    }
  }
}

let generator = new Generator(randomBytes(6).readUIntLE(0, 6));

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
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `seed: expected an integer from 0 to 2^53 - 1, got ${seed}`,
    );
  }
  generator = new Generator(seed);
}

/** Even in [low, high), in steps of 2^-24 of the range. */
export function uniformValues(count: number, low: number, high: number): Float32Array {
  const values = new Float32Array(count);
  generator.words(count, (word, index) => {
    values[index] = low + (high - low) * ((word >>> 8) / 2 ** 24);
  });
  return values;
}

/** Mean 0, variance 1, by Box and Muller's method. */
export function normalValues(count: number): Float32Array {
  const values = new Float32Array(count);
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
