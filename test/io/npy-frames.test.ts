// Frames of .npy files by offset, in any order of axes.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FrameFolder } from '../../src/index.js';
import { readFrames, type SourceFrame } from '../../src/io/frames.js';
import * as npy from '../../src/io/npy.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'convlstm-npy-'));
});
afterAll(() => rm(root, { recursive: true }));

async function all(source: string | Uint8Array, layout?: string): Promise<SourceFrame[]> {
  const frames: SourceFrame[] = [];
  for await (const frame of readFrames(source, { layout })) frames.push(frame);
  return frames;
}

function header(descr: string, fortran: boolean, shape: readonly number[]): Buffer {
  const order = fortran ? 'True' : 'False';
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')}), }`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(118);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    length,
    Buffer.from(`${text.padEnd(117)}\n`),
  ]);
}

/** A file of `shape` of which only the bytes written take room on the disk. */
async function sparse(
  name: string,
  [descr, fortran, shape]: [string, boolean, number[]],
  size: number,
  write: (put: (element: number, bytes: Buffer) => Promise<unknown>) => Promise<void>,
): Promise<string> {
  const path = join(root, name);
  const file = await open(path, 'w');
  await file.write(header(descr, fortran, shape));
  await file.truncate(128 + size * shape.reduce((a, b) => a * b, 1));
  await write((element, bytes) => file.write(bytes, 0, bytes.length, 128 + size * element));
  await file.close();
  return path;
}

describe('an .npy beyond 2 GiB', () => {
  it('gives its last frame and windows for about a frame of memory', async () => {
    const frames = 200_000;
    const path = await sparse('long.npy', ['>f4', false, [frames, 64, 64]], 4, async (put) => {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatBE(2.5);
      await put((frames - 1) * 4096 + 65, bytes);
    });
    const before = process.memoryUsage().rss;
    const got: SourceFrame[] = [];
    for await (const frame of readFrames(path, { last: 2 })) got.push(frame);
    expect(got.map(({ data }) => data[65])).toEqual([0, 2.5]);
    const folder = await FrameFolder.open(path, { inputLength: 2, targetLength: 1 });
    expect(folder.length).toBe(frames - 2);
    expect((await folder.get(frames - 3)).target.data[65]).toBe(2.5);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
    await rm(path);
  });

  it('in Fortran order is read in blocks of frames', async () => {
    const frames = 3_000_000;
    const path = await sparse('fortran.npy', ['|u1', true, [frames, 30, 30]], 1, async (put) => {
      await put(1234 + frames * (7 + 30 * 3), Buffer.of(9)); // frame 1234, row 7, column 3
    });
    const folder = await FrameFolder.open(path, { inputLength: 1, targetLength: 1 });
    expect((await folder.get(1233)).target.data[7 * 30 + 3]).toBe(9);
    expect((await folder.get(1234)).input.data.reduce((a, b) => a + b)).toBe(9);
    await rm(path);
  });
});

describe('layout', () => {
  const axes = fc.record({
    letters: fc
      .shuffledSubarray(['N', 'T', 'C'])
      .chain((some) => fc.shuffledSubarray([...some, 'H', 'W'], { minLength: some.length + 2 })),
    sizes: fc.record({
      N: fc.integer({ min: 1, max: 3 }),
      T: fc.integer({ min: 1, max: 4 }),
      C: fc.integer({ min: 1, max: 3 }),
      H: fc.integer({ min: 1, max: 4 }),
      W: fc.integer({ min: 1, max: 5 }),
    }),
    fortran: fc.boolean(),
  });

  it('finds every value in any order of axes, C and Fortran', async () => {
    await fc.assert(
      fc.asyncProperty(axes, async ({ letters, sizes, fortran }) => {
        const shape = letters.map((letter) => sizes[letter as 'N']);
        const has = (letter: string) => letters.includes(letter);
        // The value at n, t, c, h, w is its number in that order.
        const size = (letter: 'N' | 'T' | 'C' | 'H' | 'W') => (has(letter) ? sizes[letter] : 1);
        const count = shape.reduce((a, b) => a * b, 1);
        const stored = Buffer.alloc(2 * count);
        for (let n = 0; n < count; n++) {
          const place: Record<string, number> = {};
          let rest = n;
          for (const letter of ['W', 'H', 'C', 'T', 'N'] as const) {
            place[letter] = rest % size(letter);
            rest = Math.floor(rest / size(letter));
          }
          let at = 0;
          const order = fortran ? letters.toReversed() : letters;
          for (const letter of order) at = at * size(letter as 'N') + place[letter]!;
          stored.writeUInt16BE(n, 2 * at);
        }
        const bytes = Buffer.concat([header('>u2', fortran, shape), stored]);
        const frames = await all(bytes, letters.join(''));
        expect(frames.length).toBe(size('N') * size('T'));
        expect(frames[0]!.shape).toEqual([size('C'), size('H'), size('W')]);
        expect(frames.flatMap(({ data }) => [...data])).toEqual(
          Array.from({ length: count }, (_, n) => n),
        );
        if (size('T') > 1) expect(frames.at(-1)!.sequence).toBe(size('N') - 1);
      }),
    );
  });

  it.each([
    [[20, 30, 8, 8], /30 channels; set the option layout: 'TNHW'/],
    [[5, 32, 32, 3], /3 columns; set the option layout: 'THWC'/],
    [[64, 64, 3], /3 columns; set the option layout: 'HWC'/],
  ])('is asked for where the shape is %j', async (shape, message) => {
    const array = { data: new Float32Array(shape.reduce((a, b) => a * b)), shape };
    await expect(all(npy.encode(array))).rejects.toMatchObject({ code: 'ERR_OPTION' });
    await expect(all(npy.encode(array))).rejects.toThrow(message);
  });

  it('of another number of axes is refused', async () => {
    const bytes = npy.encode({ data: new Float32Array(8), shape: [2, 2, 2] });
    await expect(all(bytes, 'TNHW')).rejects.toThrow(
      /expected 4 axes, as layout 'TNHW' has, got \[2, 2, 2\]/,
    );
    for (const layout of ['TN', 'THH', 'thw', '']) {
      await expect(all(bytes, layout)).rejects.toMatchObject({ code: 'ERR_OPTION' });
    }
  });

  it('of five axes is N sequences, named by sequence and time', async () => {
    const frames = await all(npy.encode({ data: new Float32Array(24), shape: [2, 3, 1, 2, 2] }));
    expect(frames.map(({ name, sequence }) => [name, sequence])).toEqual([
      ['bytes[0][0]', 0],
      ['bytes[0][1]', 0],
      ['bytes[0][2]', 0],
      ['bytes[1][0]', 1],
      ['bytes[1][1]', 1],
      ['bytes[1][2]', 1],
    ]);
  });
});
