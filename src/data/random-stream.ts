import { checkSeed } from '../options.js';
import { philox4x32 } from '../philox.js';

/**
 * Random numbers of a seed, independent of `manualSeed`. Each `stream` of a seed is a separate sequence.
 *
 * @internal
 */
export class RandomStream {
  readonly #seed: number;
  readonly #stream: number;
  readonly #block = new Uint32Array(4);
  #count = 0;

  constructor(seed: number, stream = 0) {
    this.#seed = checkSeed('seed', seed);
    this.#stream = stream;
  }

  /** Uniform in [low, high), in steps of 2^-32 of the range. */
  uniform(low: number, high: number): number {
    const lane = this.#count % 4;
    if (lane === 0) {
      const counter = this.#count / 4;
      const words = [counter, this.#stream].flatMap((n) => [n, Math.floor(n / 2 ** 32)]);
      this.#block.set(words);
      philox4x32(this.#block, this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32));
    }
    this.#count++;
    return low + (high - low) * (this.#block[lane]! / 2 ** 32);
  }

  /** An integer from 0 to `end` - 1. */
  integer(end: number): number {
    return Math.floor(this.uniform(0, end));
  }
}
