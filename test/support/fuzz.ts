import { expect } from 'vitest';
import { ConvLSTMError, type ErrorCode } from '../../src/index.js';
import { watchAllocations } from './allocations.js';
import { Mutator } from './mutate.js';

export interface FuzzOptions {
  runs: number;
  /** Run k uses seed + k; a failure names k. */
  seed: number;
  mutate(mutator: Mutator): Uint8Array;
  read(bytes: Uint8Array): unknown;
  /** Codes of errors that are expected; any other error fails. */
  codes: readonly ErrorCode[];
  /** Gets each mutated file with an outcome that was not seen before, for `mutate` to build on. */
  pool?: Uint8Array[];
  /** Largest single allocation, in bytes, for a file of `fileBytes`. */
  allocationLimit(fileBytes: number): number;
}

/** Counts of the outcomes: an error code, or `read`. */
export async function fuzz(options: FuzzOptions): Promise<Map<ErrorCode | 'read', number>> {
  const { runs, seed, mutate, read, codes, pool, allocationLimit } = options;
  using allocations = watchAllocations();
  const counts = new Map<ErrorCode | 'read', number>();

  const seen = new Set<string>();
  /** Messages differ by their words; numbers and quoted text vary from file to file. */
  function keepIfNew(bytes: Uint8Array, message: string): void {
    const words = message.replace(/\d+|"[^"]*"|'[^']*'/g, '#');
    if (pool === undefined || seen.has(words) || pool.length > 200) return;
    seen.add(words);
    pool.push(bytes);
  }

  async function outcomeOf(bytes: Uint8Array): Promise<ErrorCode | 'read'> {
    try {
      await read(bytes);
      keepIfNew(bytes, 'read');
      return 'read';
    } catch (error) {
      if (error instanceof ConvLSTMError && codes.includes(error.code)) {
        keepIfNew(bytes, error.message);
        return error.code;
      }
      throw error;
    }
  }

  for (let run = seed; run < seed + runs; run++) {
    const bytes = mutate(new Mutator(run));
    allocations.takeLargest();
    try {
      const outcome = await outcomeOf(bytes);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      const largest = allocations.takeLargest();
      if (largest > allocationLimit(bytes.length))
        throw new Error(`allocated ${largest} bytes at once`);
    } catch (error) {
      const file = Buffer.from(bytes).toString('base64');
      throw new Error(`run ${run}, file ${file}: ${error}`, { cause: error });
    }
  }
  // Some mutations must be refused, and some must not.
  expect(counts.get('read') ?? 0).toBeGreaterThan(runs / 200);
  expect(counts.get(codes[0]!) ?? 0).toBeGreaterThan(runs / 10);
  return counts;
}
