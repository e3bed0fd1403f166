// Hostile frames and data sets get ERR_FORMAT, never another error and never a huge allocation.
import { it } from 'vitest';
import { loadIdx, npy, pgm, png } from '../../src/index.js';
import { fuzz } from '../support/fuzz.js';
import type { Mutator } from '../support/mutate.js';
import { randomValues } from '../support/numbers.js';

const kRuns = 20_000;

const ascii = (text: string) => new TextEncoder().encode(text);

function npyFile(descr: string, shape: string, dataBytes: number, version = 1): Uint8Array {
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
  const header = new Uint8Array(version === 1 ? 10 : 12);
  header.set([0x93, ...ascii('NUMPY'), version, 0]);
  new DataView(header.buffer).setUint16(8, dictionary.length, true);
  return Uint8Array.from([...header, ...ascii(dictionary), ...new Uint8Array(dataBytes)]);
}

const frame = { data: randomValues(30, 1).map(Math.abs), shape: [5, 6] };

const files: Record<
  string,
  { originals: Uint8Array[]; read(bytes: Uint8Array): unknown; growth: number }
> = {
  npy: {
    originals: [
      npyFile('<f4', '(2, 3)', 24),
      npyFile('>f8', '(3,)', 24, 2),
      npyFile('|u1', '()', 1, 3),
      npyFile('<i2', '(0, 4)', 0),
    ],
    read: npy.load,
    growth: 4, // bytes become float32
  },
  pgm: {
    originals: [
      pgm.encode(frame),
      pgm.encode(frame, { bitDepth: 16 }),
      ascii('P2\n# a comment\n3 2\n255\n0 1 2 3 4 255\n'),
      ascii('P5 1 1 65535\n\u0001\u0002'),
    ],
    read: pgm.load,
    growth: 4,
  },
  idx: {
    originals: [
      Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]),
      Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 2, 7, 8]),
    ],
    read: loadIdx,
    growth: 1,
  },
  png: {
    originals: [png.encode(frame), png.encode(frame, { bitDepth: 16 })],
    read: png.load,
    growth: 1032 * 16, // deflate's best, and float32 RGBA
  },
};

for (const [name, { originals, read, growth }] of Object.entries(files)) {
  it(`${name} survives ${kRuns} mutated files`, { timeout: 300_000 }, async () => {
    await fuzz({
      runs: kRuns,
      seed: 0,
      mutate: (mutator: Mutator) => mutator.bytes(mutator.pick(originals)),
      read,
      codes: ['ERR_FORMAT'],
      allocationLimit: (fileBytes) => growth * fileBytes + 4096,
    });
  });
}
