// Races the contestants over one workload: outputs are compared, each contestant's fastest variant is
// chosen, then all run interleaved, round after round.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from './side.mjs';
import { loadLine, skippedVariants } from './workloads.mjs';

/** @typedef {import('./workloads.mjs').Workload} Workload */
/** @typedef {import('./contestants.mjs').Contestant} Contestant */
/** @typedef {import('./side.mjs').Side} Side */

/**
 * @typedef {object} Result
 * @property {string} contestant
 * @property {string} variant
 * @property {string} note            the kernel chosen, as the contestant names it
 * @property {number} ms              median of the clean samples
 * @property {number} samples         clean ones
 * @property {number} thrownAway      samples taken while other processes used the processors
 * @property {boolean} clean          false: too few clean samples, so the median is of all
 * @property {number} difference      largest difference of its output from onnxruntime's
 */

// Largest accepted difference of an output; beyond it the contestant is not timed.
const LARGEST_DIFFERENCE = { float32: 1e-3, bfloat16: 1e-1 };

/** @param {string} file */
function readFloats(file) {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** @param {Float32Array} a @param {Float32Array} b */
function largestDifference(a, b) {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let k = 0; k < a.length; k++) {
    const difference = Math.abs(a[k] - b[k]);
    if (!(difference <= largest)) largest = difference; // also when it is NaN
  }
  return largest;
}

class Collector {
  /** @type {number[]} */ clean = [];
  /** @type {number[]} */ all = [];

  /** @param {Side} side @param {number} count */
  async add(side, count) {
    const { ms, clean } = await side.sample(count);
    this.all.push(...ms);
    if (clean) this.clean.push(...ms);
    return clean;
  }

  get enough() {
    return this.clean.length >= 3;
  }

  get ms() {
    return median(this.enough ? this.clean : this.all);
  }
}

/**
 * @param {Workload} w
 * @param {Map<Contestant, Side>} sides the first gives the output that the others are compared with
 * @param {{ folder: string, batchMs: number, rounds: number }} options `batchMs`: length of a sample's
 *   batch, which the clocks of the kernel must resolve
 * @param {(line: string) => void} log
 * @returns {Promise<Result[]>}
 */
export async function race(w, sides, { folder, batchMs, rounds }, log) {
  /** @type {Float32Array | undefined} */
  let reference;

  /** @param {Contestant} contestant @param {Side} side */
  const qualify = async (contestant, side) => {
    let best = null;
    let loaded = '';
    const skipped = skippedVariants(w);
    for (const variant of contestant.variants.filter((v) => !skipped.includes(v))) {
      try {
        loaded = variant;
        const note = await side.ask(...loadLine(w, variant));
        const file = join(folder, 'output.f32');
        await side.ask('output', file);
        const output = readFloats(file);
        reference ??= output;
        const difference = largestDifference(output, reference);
        if (!(difference <= LARGEST_DIFFERENCE[contestant.products])) {
          log(
            `${w.name} ${contestant.name} ${variant}: output differs by ${difference}; not timed`,
          );
          continue;
        }
        const trial = new Collector();
        await trial.add(side, 1);
        const count = Math.max(1, Math.round(batchMs / trial.ms));
        const timed = new Collector();
        for (let k = 0; k < 3 && !(await timed.add(side, count)); k++);
        const entry = { contestant, side, variant, note, difference, count, ms: timed.ms };
        log(
          `${w.name} ${contestant.name} ${variant}: ${entry.ms.toFixed(2)} ms, |difference| ${difference.toExponential(1)} ${note}`,
        );
        if (!best || entry.ms < best.ms) best = entry;
      } catch (error) {
        log(`${w.name} ${contestant.name} ${variant}: ${/** @type {Error} */ (error).message}`);
      }
    }
    if (best && loaded !== best.variant) await side.ask(...loadLine(w, best.variant));
    return best;
  };

  const entries = [];
  for (const [contestant, side] of sides) {
    const entry = await qualify(contestant, side);
    if (entry) entries.push({ ...entry, samples: new Collector(), cleanRounds: 0 });
  }
  for (let round = 0; round < 3 * rounds; round++) {
    for (const entry of entries) {
      if (entry.cleanRounds >= rounds) continue;
      if (await entry.samples.add(entry.side, entry.count)) entry.cleanRounds++;
    }
  }
  return entries.map(({ contestant, variant, note, difference, samples }) => ({
    contestant: contestant.name,
    variant,
    note,
    ms: samples.ms,
    samples: samples.clean.length,
    thrownAway: samples.all.length - samples.clean.length,
    clean: samples.enough,
    difference,
  }));
}
