// Order, times and sequences of frames from files.
import { appendFile, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ReadFramesOptions, readFrames, type SourceFrame } from '../../src/io/frames.js';
import * as npy from '../../src/io/npy.js';
import * as png from '../../src/io/png.js';
import { composite } from '../support/composite.js';

let root: string;
const warnings: (Error & { code?: string })[] = [];
const listen = (warning: Error) => warnings.push(warning);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'convlstm-order-'));
  process.on('warning', listen);
});
afterAll(async () => {
  process.off('warning', listen);
  await rm(root, { recursive: true });
});
afterEach(() => warnings.splice(0));

const image = (value: number) =>
  png.encode({ data: new Float32Array(4).fill(value / 255), shape: [2, 2] });

/** A folder of images whose values are 0, 1, ... in the order of `names`. */
async function folderOf(names: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(root, 'folder-'));
  for (const [n, name] of names.entries()) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), image(n));
  }
  return folder;
}

async function all(source: Parameters<typeof readFrames>[0], options?: ReadFramesOptions) {
  const frames: SourceFrame[] = [];
  for await (const frame of readFrames(source, options)) frames.push(frame);
  return frames;
}

const values = (frames: readonly SourceFrame[]) =>
  frames.map(({ data }) => Math.round(255 * data[0]!));
const times = (frames: readonly SourceFrame[]) =>
  frames.map(({ time }) => time?.toISOString().slice(0, 16) ?? null);
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('times in names', () => {
  it.each<[string, string]>([
    ['RAD_NL25_RAP_5min_202401010005.png', '2024-01-01T00:05'],
    ['r20240101000530.png', '2024-01-01T00:05'],
    ['2024-01-01T00:05:30.500Z.png', '2024-01-01T00:05'],
    ['2024-01-01T00-05-30Z.png', '2024-01-01T00:05'],
    ['sat_20240101_0005.png', '2024-01-01T00:05'],
    ['2024.01.01 00.05.png', '2024-01-01T00:05'],
    ['gfs.2024010107.png', '2024-01-01T07:00'],
    ['20240101T07.png', '2024-01-01T07:00'],
    ['sst-20240229.png', '2024-02-29T00:00'],
    ['3DIMG_30JUN2024_2330_L1C.png', '2024-06-30T23:30'],
    ['30062024_2330.png', '2024-06-30T23:30'],
    ['06302024_2330.png', '2024-06-30T23:30'],
    ['30.06.2024.png', '2024-06-30T00:00'],
    ['2024-6-3 07.05.png', '2024-06-03T07:05'],
    ['x_30-6-2024.png', '2024-06-30T00:00'],
    ['product12345678_202401010005.png', '2024-01-01T00:05'],
  ])('%s is %s', async (name, expected) => {
    expect(times(await all(await folderOf([name])))).toEqual([expected]);
  });

  it.each([
    'frame_000012.png',
    '1704067200.png',
    '202413010005.png',
    '20230229.png',
    '1.png',
    '01022024.png',
  ])('%s has none', async (name) => {
    expect(times(await all(await folderOf([name])))).toEqual([null]);
  });

  it('skips a date that all names share for the one that differs', async () => {
    const folder = await folderOf([
      'fc_202401010000_202401010005.png',
      'fc_202401010000_202401010010.png',
    ]);
    expect(times(await all(folder))).toEqual(['2024-01-01T00:05', '2024-01-01T00:10']);
  });

  it('takes numbers behind a date for numbers where they are no clock', async () => {
    const names = Array.from(
      { length: 62 },
      (_, n) => `20240101_${String(n + 1).padStart(4, '0')}.png`,
    );
    const frames = await all(await folderOf(names));
    expect(values(frames)).toEqual(names.map((_, n) => n));
    expect(new Set(times(frames))).toEqual(new Set([null]));
  });

  it('follows the pattern given', async () => {
    const folder = await folderOf(['s2024366_2355x9.png', 's2025001_0000x1.png']);
    const timePattern = 's{yyyy}{DDD}_{HH}{mm}x*.png';
    const frames = await all(folder, { timePattern });
    expect(times(frames)).toEqual(['2024-12-31T23:55', '2025-01-01T00:00']);
    const other = all(folder, { timePattern: '{yyyy}{MM}{dd}' });
    await expect(other).rejects.toThrow(
      /s2024366_2355x9\.png: expected a time as timePattern says/,
    );
    const twice = await folderOf(['a_202401.png', 'b_202401.png']);
    await expect(all(twice, { timePattern: '{yyyy}{MM}' })).rejects.toThrow(/some twice/);
  });

  it.each([
    '',
    '{HH}',
    '{yyyy}{dd}',
    '{yyyy}{yyyy}',
    '{yyyy}{YY}',
    '{yyyy}{yy}',
    '{yyyy}{MM}{MMM}',
  ])('refuses the pattern %j', async (timePattern) => {
    await expect(all(root, { timePattern })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringContaining('timePattern'),
    });
  });

  it('reads back any time that a pattern wrote', async () => {
    const { compileTimePattern } = await import('../../src/io/time-pattern.js');
    const { read } = compileTimePattern('p', 'x{dd}-{MM}-{yyyy}+{HH}({mm}).{ss}*');
    const limits = { min: new Date('1000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z') };
    fc.assert(
      fc.property(fc.date({ ...limits, noInvalidDate: true }), (date) => {
        const [day, clock] = date.toISOString().slice(0, 19).split('T') as [string, string];
        const [hour, minute, second] = clock.split(':');
        const name = `x${day.split('-').reverse().join('-')}+${hour}(${minute}).${second}_v2.png`;
        expect(read(name)[0]!.time.toISOString()).toBe(`${day}T${clock}.000Z`);
      }),
    );
  });
});

describe('order', () => {
  it('of day, month, year is that of time, and said', async () => {
    const folder = await folderOf([
      '3DIMG_30062024_2330_L1C.png',
      '3DIMG_01072024_0000_L1C.png',
      '3DIMG_01072024_0030_L1C.png',
    ]);
    expect(values(await all(folder))).toEqual([0, 1, 2]);
    await tick();
    expect(warnings.map(({ code }) => code)).toEqual(['CONVLSTM_TIME_ORDER']);
    expect(warnings[0]!.message).toMatch(/day, month, year .*timePattern/);
  });

  it('of ambiguous days and months is asked for', async () => {
    const names = ['01022024.png', '12022024.png', '02032024.png'];
    const folder = await folderOf(names);
    const error = {
      code: 'ERR_OPTION',
      message: expect.stringMatching(/timePattern.*list of files/),
    };
    await expect(all(folder)).rejects.toMatchObject(error);
    expect(values(await all(folder, { timePattern: '{dd}{MM}{yyyy}' }))).toEqual([0, 1, 2]);
    expect(values(await all(folder, { timePattern: '{MM}{dd}{yyyy}' }))).toEqual([0, 2, 1]);
    const list = names.map((name) => join(folder, name));
    expect(values(await all(list))).toEqual([0, 1, 2]);
    expect(times(await all(list))).toEqual([null, null, null]);
  });

  it('of dates with two digits for the year is warned of', async () => {
    const names = ['x_300624_2330.png', 'x_010724_0000.png', 'x_010724_0030.png'];
    const folder = await folderOf(names);
    expect(values(await all(folder))).toEqual([1, 2, 0]);
    await tick();
    expect(warnings.map(({ code }) => code)).toEqual(['CONVLSTM_TIME_ORDER']);
    expect(warnings[0]!.message).toContain('{dd}{MM}{yy}');
    expect(values(await all(folder, { timePattern: '{dd}{MM}{yy}_{HH}{mm}' }))).toEqual([0, 1, 2]);
  });

  it.each([
    [['240105.png', '240203.png', '240302.png']],
    [['f_000101.png', 'f_000102.png', 'f_000103.png']],
    [['f_010112.png', 'f_010113.png', 'f_010114.png']],
  ])('of six digits as %j is not warned of', async (names) => {
    expect(values(await all(await folderOf(names)))).toEqual([0, 1, 2]);
    await tick();
    expect(warnings).toEqual([]);
  });

  it('of days without a leading zero is that of time', async () => {
    const folder = await folderOf(['30-6-2024.png', '1-7-2024.png', '2-7-2024.png']);
    expect(values(await all(folder))).toEqual([0, 1, 2]);
  });

  it('of month names is that of time', async () => {
    const folder = await folderOf(['x_30JUN2024_2330.png', 'x_01JUL2024_0000.png']);
    expect(values(await all(folder))).toEqual([0, 1]);
  });

  it('of a list is the list, folders in between included', async () => {
    const folder = await folderOf(['c.png', 'a.png', 'sub/2.png', 'sub/1.png', 'b.png']);
    const paths = ['c.png', 'a.png', 'sub', 'b.png'].map((name) => join(folder, name));
    const frames = await all(paths);
    expect(values(frames)).toEqual([0, 1, 3, 2, 4]);
    expect(frames.map(({ sequence }) => sequence)).toEqual([0, 0, 1, 1, 2]);
    await expect(all([])).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  it('of two products in one folder is one after the other', async () => {
    const folder = await folderOf([
      'A_202401010000.png',
      'A_202401010005.png',
      'B_202401010000.png',
      'B_202401010005.png',
    ]);
    const frames = await all(folder);
    expect(values(frames)).toEqual([0, 1, 2, 3]);
    expect(frames.map(({ sequence }) => sequence)).toEqual([0, 0, 1, 1]);
  });

  it('joins the folders that a pattern spans', async () => {
    const folder = await folderOf([
      '2024/12/31/2355.png',
      '2025/01/01/0000.png',
      '2025/01/01/0005.png',
    ]);
    expect((await all(folder)).map(({ sequence }) => sequence)).toEqual([0, 1, 1]);
    const frames = await all(folder, { timePattern: '{yyyy}/{MM}/{dd}/{HH}{mm}' });
    expect(frames.map(({ sequence, name }) => [sequence, name])).toEqual([
      [0, '2024/12/31/2355.png'],
      [0, '2025/01/01/0000.png'],
      [0, '2025/01/01/0005.png'],
    ]);
    expect(times(frames)[0]).toBe('2024-12-31T23:55');
  });

  it('warns of a name without a time among names with one', async () => {
    const folder = await folderOf(['202401010000.png', '202401010005.png', 'legend.png']);
    await all(folder);
    await tick();
    expect(warnings[0]).toMatchObject({ code: 'CONVLSTM_TIMES' });
    expect(warnings[0]!.message).toContain('1 of 3 names have no time (legend.png)');
  });
});

describe('readFrames', () => {
  it('skips names that begin with a dot, and refuses a link to a folder around it', async () => {
    const folder = await folderOf(['a.png', '._a.png', '.cache/b.png', 'sub/c.png']);
    expect(values(await all(folder))).toEqual([0, 3]);
    await symlink(folder, join(folder, 'sub', 'up'), 'junction');
    await expect(all(folder)).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it.skipIf(process.platform !== 'linux')('reads names that are not UTF-8', async () => {
    const folder = await folderOf([]);
    const name = (k: number) =>
      Buffer.concat([Buffer.from('f'), Buffer.of(0xfc), Buffer.from(`r_${k}`)]);
    const slash = Buffer.from('/');
    const inner = Buffer.concat([Buffer.from(folder), slash, name(0)]);
    await mkdir(inner);
    for (const k of [2, 10]) {
      await writeFile(Buffer.concat([inner, slash, name(k), Buffer.from('.png')]), image(k));
    }
    const frames = await all(folder);
    expect(values(frames)).toEqual([2, 10]);
    expect(frames[0]!.name).toBe('f\\xfcr_0/f\\xfcr_2.png');
    await writeFile(Buffer.concat([inner, slash, name(3), Buffer.from('.png')]), 'none');
    await expect(all(folder)).rejects.toThrow(/f\\xfcr_3\.png: expected PNG/);
  });

  it('reads the last frames, without the files before them', async () => {
    const folder = await folderOf(['1.png', '2.png', '3.png', '4.png']);
    await writeFile(join(folder, '1.png'), 'damaged');
    expect(values(await all(folder, { last: 2 }))).toEqual([2, 3]);
    await npy.save(join(folder, '5.npy'), {
      data: Float32Array.from({ length: 12 }, (_, n) => Math.floor(n / 4) / 255),
      shape: [3, 2, 2],
    });
    expect(values(await all(folder, { last: 2 }))).toEqual([1, 2]);
    const frames = await all(folder, { last: 4 });
    expect(frames.map(({ name, sequence }) => [name, sequence])).toEqual([
      ['4.png', 0],
      ['5.npy[0]', 1],
      ['5.npy[1]', 1],
      ['5.npy[2]', 1],
    ]);
    await expect(all(folder, { last: 0 })).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  it('waits for the last file, or says that it may still be written', async () => {
    const folder = await folderOf(['1.png']);
    const [bytes, path] = [image(7), join(folder, '2.png')];
    await writeFile(path, bytes.subarray(0, 30));
    await expect(all(folder)).rejects.toThrow(/changed \d+\.\d s ago.*option wait/);
    const reading = all(folder, { wait: 20 });
    await new Promise((resolve) => setTimeout(resolve, 250));
    await appendFile(path, bytes.subarray(30));
    expect(values(await reading)).toEqual([0, 7]);
    await writeFile(path, bytes.subarray(0, 30));
    await utimes(path, 0, 0);
    await expect(all(folder)).rejects.toThrow(/^(?!.*option wait)/);
  });

  it('takes the time of an HDF5 file over that of its name, and tells its unit', async () => {
    const folder = await folderOf([]);
    const overview = { start: '26-AUG-2010;04:55:00.000', end: '26-AUG-2010;05:00:00.000' };
    await writeFile(join(folder, 'RAP_201008260455.h5'), composite(overview));
    const [frame] = await all(folder);
    expect(frame).toMatchObject({ time: new Date('2010-08-26T05:00:00Z'), unit: 'mm/h' });
    await writeFile(join(folder, 'RAP_201008260500.png'), image(0));
    await expect(all(folder)).rejects.toThrow(
      /expected values in mm\/h, as the first frame has, got no unit/,
    );
  });

  it('gives every image of an HDF5 forecast, with the times that it is valid for', async () => {
    const folder = await folderOf([]);
    const valid = (n: number) => `26-AUG-2010;05:${String(5 * n).padStart(2, '0')}:00.000`;
    const overview = { start: '26-AUG-2010;04:55:00.000', end: '26-AUG-2010;05:00:00.000' };
    const pixels = Uint16Array.of(10, 11, 12, 13);
    await writeFile(
      join(folder, 'forecast.h5'),
      composite({ ...overview, pixels, images: 11, valid }),
    );
    const frames = await all(folder);
    expect(frames).toHaveLength(11);
    expect(frames.map(({ data }) => data[0])).toEqual(
      frames.map((_, n) => Math.fround((10 + n) * 0.12)),
    );
    expect(frames[10]!.time).toEqual(new Date('2010-08-26T05:55:00Z'));
  });

  it('warns of a gap, and begins a sequence where time goes back', async () => {
    const names = [0, 5, 15].map((minute) => `g_2024010100${String(minute).padStart(2, '0')}.png`);
    const folder = await folderOf(names);
    await all(folder);
    await tick();
    expect(warnings[0]).toMatchObject({ code: 'CONVLSTM_GAPS' });
    expect(warnings[0]!.message).toMatch(/10 min from g_202401010005\.png to g_202401010015\.png/);
    const back = await all(names.toReversed().map((name) => join(folder, name)));
    expect(back.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
  });
});
