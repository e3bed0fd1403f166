import { ConvLSTMError } from '../errors.js';
import { philox4x32 } from '../tensor/random.js';

/** Random numbers of one seed, apart from those that `manualSeed` starts. @internal */
export class RandomStream {
  readonly #seed: number;
  readonly #block = new Uint32Array(4);
  #count = 0;

  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        `seed: expected an integer from 0 to 2^53 - 1, got ${seed}`,
      );
    }
    this.#seed = seed;
  }

  /** Even in [low, high), in steps of 2^-32 of the range. */
  uniform(low: number, high: number): number {
    const lane = this.#count % 4;
    if (lane === 0) {
      const counter = this.#count / 4;
      this.#block.set([counter, Math.floor(counter / 2 ** 32), 0, 0]);
      philox4x32(this.#block, this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32));
    }
    this.#count++;
    return low + (high - low) * (this.#block[lane]! / 2 ** 32);
  }
}
