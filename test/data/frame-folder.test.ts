import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ConvLSTMError,
  FrameFolder,
  type FrameFolderOptions,
  npy,
  pgm,
  png,
} from '../../src/index.js';
import { composite } from '../support/composite.js';

/** A frame [3, 4] with values from 16 t on, unique over all frames. */
const level = (t: number, pixel: number) => (16 * t + pixel) / 255;
const frame = (t: number) => ({
  data: Float32Array.from({ length: 12 }, (_, pixel) => level(t, pixel)),
  shape: [3, 4],
});

let root: string;
/** Frames 0 to 6 in files of three formats, whose natural order differs from the alphabetical one. */
let mixed: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'convlstm-frames-'));
  mixed = join(root, 'mixed');
  await mkdir(mixed);
  await png.save(join(mixed, 'f1.png'), frame(0));
  await pgm.save(join(mixed, 'f2.pgm'), frame(1));
  await npy.save(join(mixed, 'f3.npy'), frame(2));
  await npy.save(join(mixed, 'f4.npy'), { ...frame(3), shape: [1, 1, 3, 4] });
  await png.save(join(mixed, 'f9.png'), frame(4));
  await png.save(join(mixed, 'f10.png'), frame(5));
  await pgm.save(join(mixed, 'f11.pgm'), frame(6));
  await writeFile(join(mixed, 'notes.txt'), 'not a frame');
});
afterAll(() => rm(root, { recursive: true }));

const open = (folder: string, options: Partial<FrameFolderOptions> = {}) =>
  FrameFolder.open(folder, { inputLength: 2, targetLength: 1, ...options });

/** Numbers of a window's frames, from their first pixels. */
async function framesOf(folder: FrameFolder, index: number): Promise<number[]> {
  const { input, target } = await folder.get(index);
  expect([input.shape, target.shape]).toEqual([
    [2, 1, 3, 4],
    [1, 1, 3, 4],
  ]);
  return [...input.data, ...target.data]
    .filter((_, i) => i % 12 === 0)
    .map((value) => Math.round((value * 255) / 16));
}

describe('FrameFolder', () => {
  it('slides over the frames of all formats in natural order', async () => {
    const folder = await open(mixed);
    expect(folder.length).toBe(5);
    expect(await framesOf(folder, 0)).toEqual([0, 1, 2]);
    expect(await framesOf(folder, 1)).toEqual([1, 2, 3]);
    expect(await framesOf(folder, 4)).toEqual([4, 5, 6]);
    const { input } = await folder.get(3);
    expect([...input.data]).toEqual([...frame(3).data, ...frame(4).data].map(Math.fround));
  });

  it('reads radar composites as mm/h', async () => {
    const radar = join(root, 'radar');
    await mkdir(radar);
    for (let t = 0; t < 4; t++) {
      const pixels = Uint16Array.of(100 * t, 1, 2, 65535);
      await writeFile(join(radar, `rain_${t}.h5`), composite({ pixels }));
    }
    const folder = await open(radar);
    expect(folder.length).toBe(2);
    const { input, target } = await folder.get(1);
    expect([input.shape, target.shape]).toEqual([
      [2, 1, 2, 2],
      [1, 1, 2, 2],
    ]);
    // Hundredths of mm in five minutes; missing pixels are 0.
    const rates = [...input.data, ...target.data];
    const expected = [1, 2, 3].flatMap((t) => [12 * t, 0.12, 0.24, 0]);
    for (const [n, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[n]!, 5);
  });

  it('advances by its stride', async () => {
    const folder = await open(mixed, { stride: 2 });
    expect(folder.length).toBe(3);
    expect(await framesOf(folder, 2)).toEqual([4, 5, 6]);
    expect((await open(mixed, { stride: 5 })).length).toBe(1);
  });

  it('treats every subfolder as a separate sequence', async () => {
    const parts = join(root, 'parts');
    for (const [part, first] of [
      ['a10', 8],
      ['a9', 0],
      ['short', 12],
    ] as const) {
      await mkdir(join(parts, part), { recursive: true });
      for (let t = 0; t < (part === 'short' ? 2 : 4); t++) {
        await png.save(join(parts, part, `${t}.png`), frame(first + t));
      }
    }
    const folder = await open(parts);
    expect(folder.length).toBe(4);
    const windows = await Promise.all([0, 1, 2, 3].map((index) => framesOf(folder, index)));
    expect(windows).toEqual([
      [0, 1, 2],
      [1, 2, 3],
      [8, 9, 10],
      [9, 10, 11],
    ]);
  });

  it('normalizes', async () => {
    const folder = await open(mixed, { normalize: { mean: 0.5, std: 0.25 } });
    const { input } = await folder.get(0);
    expect(input.data[5]).toBe(Math.fround((Math.fround(level(0, 5)) - 0.5) / 0.25));
  });

  it('crops the middle without vary', async () => {
    const folder = await open(mixed, { crop: [1, 2], flip: 'both' });
    const { input } = await folder.get(0, 3);
    expect(input.shape).toEqual([2, 1, 1, 2]);
    // Row 1, columns 1 and 2 of frames 0 and 1.
    const expected = [level(0, 5), level(0, 6), level(1, 5), level(1, 6)].map(Math.fround);
    expect([...input.data]).toEqual(expected);
  });

  it('varies crops and flips by seed, epoch and window, equally for all frames of a window', async () => {
    const options = { crop: [2, 3] as const, flip: 'both' as const, vary: true, seed: 9 };
    const [folder, again] = [await open(mixed, options), await open(mixed, options)];
    const seen = new Set<string>();
    for (let epoch = 0; epoch < 100; epoch++) {
      const { input, target } = await folder.get(0, epoch);
      expect((await again.get(0, epoch)).input.data).toEqual(input.data);
      const pixels = [...input.data, ...target.data].map((value) => Math.round(value * 255));
      const first = pixels.slice(0, 6);
      for (const t of [1, 2]) {
        expect(pixels.slice(6 * t, 6 * t + 6)).toEqual(first.map((pixel) => pixel + 16 * t));
      }
      seen.add(first.join());
    }
    // 2 x 2 positions, 2 x 2 orientations; rows are 4 apart, columns 1.
    expect(seen.size).toBe(16);
    expect(seen).toContain('0,1,2,4,5,6');
    expect(seen).toContain('11,10,9,7,6,5');
    const horizontal = await open(mixed, { vary: true, flip: 'horizontal' });
    const rows = new Set<number>();
    for (let epoch = 0; epoch < 20; epoch++) {
      rows.add(Math.round((await horizontal.get(0, epoch)).input.data[0]! * 255));
    }
    expect([...rows].sort()).toEqual([0, 3]);
  });

  it('names the file that has another size', async () => {
    const odd = join(root, 'odd');
    await mkdir(odd);
    for (let t = 0; t < 3; t++) await png.save(join(odd, `${t}.png`), frame(t));
    await png.save(join(odd, '3.png'), { data: new Float32Array(12), shape: [4, 3] });
    const folder = await open(odd);
    await folder.get(0);
    await expect(folder.get(1)).rejects.toMatchObject({
      code: 'ERR_SHAPE',
      message: `${join(odd, '3.png')}: expected [1, 3, 4], got [1, 4, 3]`,
    });
  });

  it('refuses an empty, missing, short or damaged folder', async () => {
    const empty = join(root, 'empty');
    await mkdir(empty);
    await expect(open(empty)).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(open(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_IO' });
    const few = open(mixed, { inputLength: 7 });
    await expect(few).rejects.toThrow(/at least 8 frames, got at most 7/);
    await expect(few).rejects.toBeInstanceOf(ConvLSTMError);
    const damaged = join(root, 'damaged');
    await mkdir(damaged);
    for (let t = 0; t < 3; t++) await writeFile(join(damaged, `${t}.png`), 'none');
    await expect(open(damaged)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    const head = png.encode(frame(0)).subarray(0, 40);
    for (let t = 0; t < 3; t++) await writeFile(join(damaged, `${t}.png`), head);
    await expect((await open(damaged)).get(0)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('treats undefined as an omitted option', async () => {
    const left = { stride: undefined, normalize: { mean: undefined, std: undefined } };
    const others = { crop: undefined, flip: undefined, vary: undefined, seed: undefined };
    const folder = await open(mixed, { ...left, ...others });
    expect(await framesOf(folder, 1)).toEqual([1, 2, 3]);
  });

  it.each<[string, object]>([
    ['inputLength', { inputLength: 0 }],
    ['targetLength', { targetLength: 1.5 }],
    ['stride', { stride: 0 }],
    ['crop', { crop: [0, 2] }],
    ['flip', { flip: 'sideways' }],
    ['vary', { vary: 1 }],
    ['seed', { seed: -1 }],
    ['step', { step: 0 }],
    ['layout', { layout: 'THX' }],
    ['timePattern', { timePattern: '{HH}{mm}' }],
    ['normalize.std', { normalize: { std: 0 } }],
    ['normalize.mean', { normalize: { mean: Number.NaN } }],
    ['strides', { strides: 2 }],
    ['sd', { normalize: { sd: 2 } }],
    ['normalize', { normalize: 2 }],
  ])('refuses %s out of range', async (name, options) => {
    await expect(open(mixed, options)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringContaining(name),
    });
  });

  it('follows links, and refuses windows out of range', async () => {
    const linked = join(root, 'linked');
    await mkdir(linked);
    await symlink(mixed, join(linked, 'sequence'), 'junction');
    const folder = await open(linked);
    expect(await framesOf(folder, 4)).toEqual([4, 5, 6]);
    for (const index of [-1, 0.5, 5]) {
      await expect(folder.get(index)).rejects.toMatchObject({
        code: 'ERR_OPTION',
        message: `index: expected 0 to 4, got ${index}`,
      });
    }
  });

  it('refuses a window whose file was replaced since the folder was opened', async () => {
    const file = join(await mkdtemp(join(root, 'shrinking-')), 'frames.npy');
    const save = (frames: number) =>
      npy.save(file, { data: new Float32Array(frames * 4), shape: [frames, 2, 2] });
    await save(3);
    const folder = await open(dirname(file));
    await save(2);
    await expect(folder.get(0)).rejects.toMatchObject({
      code: 'ERR_SHAPE',
      message: `${file}: expected 3 frames, as when it was listed, got 2`,
    });
  });

  it('refuses a crop larger than the frames', async () => {
    await expect((await open(mixed, { crop: 4 })).get(0)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: 'crop: expected at most [3, 4], got [4, 4]',
    });
  });
});
