import type { Storage } from '../../binding.js';
import { Philox } from '../philox.js';
import { computeOne } from './storage.js';

export function bernoulli(
  length: number,
  probability: number,
  value: number,
  key0: number,
  key1: number,
  counter: number,
): Storage {
  return computeOne([], length, (out) => {
    new Philox({ key0, key1, counter }).words(length, (word, index) => {
      if ((word >>> 8) / 2 ** 24 < probability) out[index] = value;
    });
  });
}
