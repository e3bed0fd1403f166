// Windows of FrameFolder lie within a sequence, without gaps in time.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FrameFolder, type FrameFolderOptions, npy, png, readFrames } from '../../src/index.js';
import { parseTrainConfig } from '../../src/training/config.js';
import { openData } from '../../src/training/forecast-run.js';
import { composite } from '../support/composite.js';

let root: string;
const warnings: (Error & { code?: string })[] = [];
const listen = (warning: Error) => warnings.push(warning);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'convlstm-sequences-'));
  process.on('warning', listen);
});
afterAll(async () => {
  process.off('warning', listen);
  await rm(root, { recursive: true });
});
afterEach(() => warnings.splice(0));

const constant = (value: number) => ({
  data: new Float32Array(4).fill(value / 255),
  shape: [2, 2],
});
const array = (first: number, frames: number) => ({
  data: Float32Array.from({ length: 4 * frames }, (_, n) => (first + Math.floor(n / 4)) / 255),
  shape: [frames, 2, 2],
});

async function folderOf(names: Readonly<Record<string, number>>): Promise<string> {
  const folder = await mkdtemp(join(root, 'folder-'));
  for (const [name, value] of Object.entries(names)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), png.encode(constant(value)));
  }
  return folder;
}

const kOptions = { inputLength: 2, targetLength: 1 };
const open = (source: string | string[], options: Partial<FrameFolderOptions> = {}) =>
  FrameFolder.open(source, { ...kOptions, ...options });

/** First pixels of the frames of every window. */
async function windows(folder: FrameFolder): Promise<number[][]> {
  const found: number[][] = [];
  for (let n = 0; n < folder.length; n++) {
    const { input, target } = await folder.get(n);
    const size = input.data.length / input.shape[0]!;
    const pixels = [...input.data, ...target.data].filter((_, i) => i % size === 0);
    found.push(pixels.map((value) => Math.round(255 * value)));
  }
  return found;
}

const clock = (minute: number) =>
  `radar_20240101${String(Math.floor(minute / 60)).padStart(2, '0')}${String(minute % 60).padStart(2, '0')}.png`;
const radar = (minutes: readonly number[]) =>
  folderOf(Object.fromEntries(minutes.map((minute) => [clock(minute), minute])));
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('windows of FrameFolder', () => {
  it('cross no gap in time, of which a warning tells', async () => {
    const folder = await open(await radar([0, 5, 10, 20, 25, 30, 35, 50, 55]));
    expect(await windows(folder)).toEqual([
      [0, 5, 10],
      [20, 25, 30],
      [25, 30, 35],
    ]);
    await tick();
    expect(warnings.map(({ code }) => code)).toEqual(['CONVLSTM_GAPS']);
    expect(warnings[0]!.message).toMatch(
      /2 gaps in time, first from 2024-01-01T00:10:00\.000Z to 2024-01-01T00:20:00\.000Z, where a step is 5 min: .* 2 frames .* of 3$/,
    );
  });

  it('take steps up to 1.5 of the usual one, and those of the option', async () => {
    const path = await radar([0, 5, 10, 17, 22, 30]);
    expect(await windows(await open(path))).toEqual([
      [0, 5, 10],
      [5, 10, 17],
      [10, 17, 22],
    ]);
    expect((await open(path, { step: 6 })).length).toBe(4);
    const faster = await radar([0, 10, 20, 25, 30, 40, 50]);
    expect(await windows(await open(faster))).toEqual([
      [0, 10, 20],
      [30, 40, 50],
    ]);
    await expect(open(faster, { step: 60 })).rejects.toThrow(/at least 3 frames, got at most 1/);
  });

  it('are all windows of frames without a time', async () => {
    const path = await folderOf({ 'a1.png': 1, 'a2.png': 2, 'a9.png': 9, 'a30.png': 30 });
    expect((await open(path)).length).toBe(2);
  });

  it('see gaps between the times of HDF5 files', async () => {
    const path = await folderOf({});
    for (const [n, minute] of ['00', '05', '10', '25', '30', '35'].entries()) {
      const pixels = Uint16Array.of(n, 0, 0, 0);
      const time = {
        start: `26-AUG-2010;03:${minute}:00.000`,
        end: `26-AUG-2010;04:${minute}:00.000`,
      };
      await writeFile(join(path, `rain_${n}.h5`), composite({ pixels, ...time }));
    }
    const folder = await open(path);
    expect(folder.length).toBe(2);
    expect(folder.unit).toBe('mm/h');
  });

  it('lie within one .npy video, one layout sequence, one folder', async () => {
    const path = await folderOf({ 'f1.png': 1, 'f2.png': 2, 'f3.png': 3 });
    await npy.save(join(path, 'v1.npy'), array(10, 4));
    await npy.save(join(path, 'v2.npy'), array(20, 3));
    await mkdir(join(path, 'sub'));
    await npy.save(join(path, 'sub', 'short.npy'), array(30, 2));
    expect(await windows(await open(path))).toEqual([
      [1, 2, 3],
      [10, 11, 12],
      [11, 12, 13],
      [20, 21, 22],
    ]);
    const mnist = join(await folderOf({}), 'mnist_test_seq.npy');
    const data = Float32Array.from({ length: 4 * 2 * 4 }, (_, n) => {
      const [t, sequence] = [n >> 3, (n >> 2) & 1];
      return (10 * sequence + t) / 255;
    });
    await npy.save(mnist, { data, shape: [4, 2, 2, 2] });
    expect(await windows(await open(mnist, { layout: 'TNHW' }))).toEqual([
      [0, 1, 2],
      [1, 2, 3],
      [10, 11, 12],
      [11, 12, 13],
    ]);
  });

  it('are those of a list in its order', async () => {
    const path = await folderOf({ 'c.png': 1, 'a.png': 2, 'b.png': 3 });
    const list = ['c.png', 'a.png', 'b.png'].map((name) => join(path, name));
    expect(await windows(await open(list))).toEqual([[1, 2, 3]]);
  });

  it('are the same in a worker thread, which lists nothing', async () => {
    const folder = await open(await radar([0, 5, 10, 20, 25, 30]), { stride: 2 });
    const { default: make } = await import('../../src/data/frame-folder.js');
    const copy = make(structuredClone(folder.source.options) as Parameters<typeof make>[0]);
    expect(await windows(copy)).toEqual(await windows(folder));
    expect(copy.length).toBe(2);
  });

  it('refuse files of two units', async () => {
    const path = await folderOf({ 'a.png': 1 });
    await writeFile(join(path, 'b.h5'), composite());
    await expect(open(path)).rejects.toThrow(
      /b\.h5: expected values in no unit, as the first frame has, got mm\/h/,
    );
  });

  it('are frames that readFrames gives one after another, a step apart', async () => {
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), {
      minLength: 4,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(minutes, async (chosen) => {
        const path = await radar(chosen.map((n) => 5 * n));
        const frames: { minute: number; value: number }[] = [];
        for await (const { time, data } of readFrames(path)) {
          frames.push({ minute: time!.getTime() / 60_000, value: Math.round(255 * data[0]!) });
        }
        const expected = frames.flatMap((_, n) => {
          const window = frames.slice(n, n + 3);
          const apart = window.slice(1).every(({ minute }, i) => minute - window[i]!.minute === 5);
          return window.length === 3 && apart ? [window.map(({ value }) => value)] : [];
        });
        const opening = open(path, { step: 5 });
        if (expected.length === 0) await expect(opening).rejects.toThrow(/at least 3 frames/);
        else expect(await windows(await opening)).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });

  it('follow timePattern, step and layout of a training configuration', async () => {
    const path = await folderOf({ '31012024.png': 1, '01022024.png': 2, '02022024.png': 3 });
    const config = (data: object) =>
      parseTrainConfig({
        version: 1,
        model: { version: 1, hiddenDim: [4] },
        data: { kind: 'frames', ...kOptions, ...data },
      });
    const pattern = { timePattern: '{dd}{MM}{yyyy}', step: 1440 };
    const data = (await openData(config(pattern), path, 'train'))!;
    expect((await data.get(0, 0)).target.data[0]).toBe(Math.fround(3 / 255));
    await expect(openData(config({ ...pattern, step: 60 }), path, 'train')).rejects.toThrow(
      /at least 3/,
    );
    await npy.save(join(path, 'a.npy'), { data: new Float32Array(24), shape: [3, 2, 2, 2] });
    for (const name of ['31012024.png', '01022024.png', '02022024.png']) await rm(join(path, name));
    const sequences = (await openData(config({ layout: 'TNHW' }), path, 'train'))!;
    expect(sequences.length).toBe(2);
    expect(() => config({ layout: 'THX' })).toThrow(/data\.layout: expected H, W/);
    expect(() => config({ timePattern: '{HH}' })).toThrow(/data\.timePattern: expected/);
    expect(() => config({ step: 0 })).toThrow(/data\.step: expected a number above 0 or null/);
  });
});
