// Hostile frames, data sets and stream states get ERR_FORMAT, no other error and no huge allocation.
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { it } from 'vitest';
import {
  ConvLSTM,
  type ErrorCode,
  jpeg,
  loadIdx,
  npy,
  npz,
  pgm,
  png,
  readFrames,
  Tensor,
} from '../../src/index.js';
import { fuzz } from '../support/fuzz.js';
import type { Mutator } from '../support/mutate.js';
import { randomValues } from '../support/numbers.js';
import { mutatePng } from '../support/png-chunks.js';
import { zipArchive } from '../support/zip.js';

const ascii = (text: string) => new TextEncoder().encode(text);

function npyFile(descr: string, shape: string, dataBytes: number, version = 1): Uint8Array {
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
  const header = new Uint8Array(version === 1 ? 10 : 12);
  header.set([0x93, ...ascii('NUMPY'), version, 0]);
  new DataView(header.buffer).setUint16(8, dictionary.length, true);
  return Uint8Array.from([...header, ...ascii(dictionary), ...new Uint8Array(dataBytes)]);
}

const frame = { data: randomValues(30, 1).map(Math.abs), shape: [5, 6] };

/** Corrects the checksum in 7 of 8 files, so that mutations pass it. */
function mutateState(mutator: Mutator, original: Uint8Array): Uint8Array {
  const bytes = mutator.bytes(original);
  if (bytes.length < 16 || mutator.below(8) === 0) return bytes;
  new DataView(bytes.buffer).setUint32(12, crc32(bytes.subarray(16)), true);
  return bytes;
}

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'));
const jpegs: { cases: Record<string, { file: string }> } = fixture('jpeg');
const npzs: Record<string, string> = fixture('npz');

interface Format {
  originals: Uint8Array[];
  read(bytes: Uint8Array): unknown;
  /** Largest single allocation per byte of the file. */
  growth: number;
  mutate?(mutator: Mutator, original: Uint8Array): Uint8Array;
  codes?: ErrorCode[];
  /** Default 20000. */
  runs?: number;
  /** Files whose outcome is new become originals too, and files are joined. */
  evolves?: boolean;
}

const net = new ConvLSTM({ inputDim: 1, hiddenDim: [2, 3], kernelSize: 1, numLayers: 2 });
const stream = net.stream();
const emptyState = await stream.save();
stream.step(Tensor.ones([1, 1, 2, 2]));

const formats: Record<string, Format> = {
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
    growth: 1032 * 16, // deflate's best ratio, times 16 bits of RGBA per byte
    mutate: mutatePng,
  },
  jpeg: {
    originals: Object.values(jpegs.cases).map(({ file }) => Buffer.from(file, 'base64')),
    read: jpeg.load,
    growth: 512 * 12, // a bit per 64 pixels of three colours in 32 bits
    runs: 2000,
    evolves: true,
  },
  npz: {
    originals: [
      ...Object.values(npzs).map((file) => Buffer.from(file, 'base64')),
      zipArchive([{ name: 'x.npy', bytes: npyFile('<f4', '(2, 3)', 24) }]),
    ],
    read: npz.load,
    growth: 1032 * 8, // deflate's best ratio, times bytes that become float32
    runs: 5000,
    evolves: true,
  },
  'frames of PGM streams and .npz': {
    originals: [
      ascii('P5 2 1 255 abP5 2 1 9 \u0001\u0002P5 2 1 9 \u0001\u0002'),
      ascii('P2 2 1 7 5 6 P2 2 1 7 5 6'),
      Buffer.from(npzs['stored']!, 'base64'),
      Buffer.from(npzs['deflated']!, 'base64'),
    ],
    read: async (bytes) => {
      for await (const { shape } of readFrames(bytes)) shape.at(0);
    },
    growth: 1032 * 8,
    codes: ['ERR_FORMAT', 'ERR_OPTION'], // a shape may need the option layout
    runs: 3000,
    evolves: true,
  },
  'stream state': {
    originals: [
      emptyState,
      await stream.save(),
      readFileSync(new URL('../fixtures/stream-state-v1.bin', import.meta.url)),
    ],
    read: (bytes) => net.stream().load(bytes),
    growth: 1,
    mutate: mutateState,
    codes: ['ERR_FORMAT', 'ERR_SHAPE'], // a valid state may be that of other layers
  },
};

for (const [name, format] of Object.entries(formats)) {
  const { originals, read, growth, codes = ['ERR_FORMAT'], runs = 20_000, evolves } = format;
  const mutate = format.mutate ?? ((mutator, original) => mutator.bytes(original));
  it(`${name} survives ${runs} mutated files`, { timeout: 300_000 }, async () => {
    const pool = [...originals];
    await fuzz({
      runs,
      seed: 0,
      mutate: (mutator) => {
        const original = mutate(mutator, mutator.pick(pool));
        return evolves && mutator.below(8) === 0
          ? mutator.splice(original, mutator.pick(pool))
          : original;
      },
      read,
      codes,
      ...(evolves && { pool }),
      allocationLimit: (fileBytes) => growth * fileBytes + 4096,
    });
  });
}
