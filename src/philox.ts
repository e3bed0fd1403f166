/** Philox4x32-10 (Salmon et al. 2011), a counter-based generator of random words. */

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

/** Position of a generator in its sequence: key, and counter of the next block. */
export interface PhiloxState {
  key0: number;
  key1: number;
  /** An integer below 2^53. */
  counter: number;
}

/** Random words in blocks of four. */
export class Philox {
  #state: PhiloxState;

  constructor(state: PhiloxState) {
    this.#state = { ...state };
  }

  /** Calls `use` with `count` random words; every call starts a new block. */
  words(count: number, use: (word: number, index: number) => void): void {
    const { key0, key1, counter } = this.take(count);
    const block = new Uint32Array(4);
    for (let index = 0; index < count; ) {
      const at = counter + index / 4;
      block[0] = at >>> 0;
      block[1] = Math.floor(at / 2 ** 32);
      block[2] = 0;
      block[3] = 0;
      philox4x32(block, key0, key1);
      for (let k = 0; k < 4 && index < count; k++) use(block[k]!, index++);
    }
  }

  /** Skips `count` words and returns the state from which the caller can compute them. */
  take(count: number): PhiloxState {
    const before = { ...this.#state };
    this.#state.counter += Math.ceil(count / 4);
    return before;
  }
}
