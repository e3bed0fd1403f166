import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReadFramesOptions, readFrames, type SourceFrame } from '../../src/io/frames.js';
import type { NdArray } from '../../src/io/nd-array.js';
import * as npy from '../../src/io/npy.js';
import * as pgm from '../../src/io/pgm.js';
import * as png from '../../src/io/png.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
});
afterAll(() => rm(folder, { recursive: true }));

const array = (shape: number[], first = 0) => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => first + i),
  shape,
});

async function all(source: Parameters<typeof readFrames>[0], options?: ReadFramesOptions) {
  const frames: SourceFrame[] = [];
  for await (const frame of readFrames(source, options)) frames.push(frame);
  return frames;
}

const arrays = async (source: string | Uint8Array): Promise<NdArray[]> =>
  (await all(source)).map(({ data, shape }) => ({ data, shape }));

describe('readFrames', () => {
  it('reads the files of a folder in natural order and skips other files', async () => {
    const inner = join(folder, 'natural');
    await mkdir(inner);
    for (const [name, value] of [
      ['frame10.PNG', 1],
      ['frame2.png', 0.4],
      ['frame1.png', 0.2],
    ] as const) {
      await png.save(join(inner, name), { data: Float32Array.of(value), shape: [1, 1] });
    }
    await writeFile(join(inner, 'notes.txt'), 'no frame');
    const frames = await all(inner);
    expect(frames.map(({ shape }) => shape)).toEqual([
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 1],
    ]);
    expect(frames.map(({ data }) => data[0])).toEqual([0.2, 0.4, 1].map(Math.fround));
  });

  it('detects the format by content, in files and in bytes', async () => {
    const path = join(folder, 'pgm-in-disguise.png');
    await pgm.save(path, { data: Float32Array.of(1, 0), shape: [1, 2] });
    expect(await arrays(path)).toEqual([{ data: Float32Array.of(1, 0), shape: [1, 1, 2] }]);
    const bytes = png.encode({ data: Float32Array.of(1, 0), shape: [2, 1] });
    expect(await arrays(bytes)).toEqual([{ data: Float32Array.of(1, 0), shape: [1, 2, 1] }]);
  });

  it('splits .npy arrays along time', async () => {
    expect(await arrays(npy.encode(array([1, 2])))).toEqual([array([1, 1, 2])]);
    expect(await arrays(npy.encode(array([2, 1, 2])))).toEqual([
      array([1, 1, 2]),
      array([1, 1, 2], 2),
    ]);
    expect(await arrays(npy.encode(array([2, 3, 1, 1])))).toEqual([
      array([3, 1, 1]),
      array([3, 1, 1], 3),
    ]);
  });

  it.each<[string, number[]]>([
    ['a vector', [3]],
    ['six axes', [1, 1, 1, 1, 1, 1]],
    ['no frames', [0, 2, 2]],
  ])('refuses %s', async (_, shape) => {
    await expect(all(npy.encode(array(shape)))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('names the file that has another size or is not an image', async () => {
    const inner = join(folder, 'mixed');
    await mkdir(inner);
    await png.save(join(inner, '1.png'), { data: new Float32Array(4), shape: [2, 2] });
    await png.save(join(inner, '2.png'), { data: new Float32Array(6), shape: [2, 3] });
    await expect(all(inner)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(all(inner)).rejects.toThrow(/2\.png: expected \[1, 2, 2\], got \[1, 2, 3\]$/);
    await writeFile(join(inner, '2.png'), 'text');
    await png.save(join(inner, '3.png'), { data: new Float32Array(4), shape: [2, 2] });
    await expect(all(inner)).rejects.toThrow(
      /2\.png: expected PNG, JPEG, PGM, \.npy, \.npz or HDF5, got other content$/,
    );
    await writeFile(join(inner, '2.png'), 'P5 x');
    await expect(all(inner)).rejects.toThrow(/mixed.2\.png: width is not a number$/);
  });

  it('reports an empty and a missing folder', async () => {
    const empty = join(folder, 'empty');
    await mkdir(empty);
    await expect(all(empty)).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(all(join(folder, 'missing'))).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});

describe('other formats of frames', () => {
  const fixture = (name: string) =>
    JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'));

  it('a PGM stream gives its images one by one', async () => {
    const stream = join(folder, 'stream.pgm');
    await writeFile(
      stream,
      'P5 2 1 255 \xff\0P5 2 1 3 \x03\x00P5 2 1 65535 \0\0\xff\xff',
      'latin1',
    );
    const frames = await all(stream);
    expect(frames.map(({ shape }) => shape)).toEqual([
      [1, 1, 2],
      [1, 1, 2],
      [1, 1, 2],
    ]);
    expect(frames.map(({ data }) => [...data])).toEqual([
      [1, 0],
      [1, 0],
      [0, 1],
    ]);
    expect(await all(Buffer.from('P2 1 1 4 2 P2 1 1 4 4'))).toHaveLength(2);
    await writeFile(stream, 'P5 2 1 255 abP5 1 1 255 a', 'latin1');
    await expect(all(stream)).rejects.toThrow(
      /image 1: expected \[1,2\] as the first, got \[1,1\]/,
    );
    await writeFile(stream, 'P5 2 1 255 abP5 2 1 255 a', 'latin1');
    await expect(all(stream)).rejects.toThrow(/image 1: 2x1 pixels take 2 bytes, got 1/);
  });

  it.each(['stored', 'deflated', 'zip64 and a comment'])(
    'an .npz, %s, from a file and bytes',
    async (name) => {
      const bytes = Buffer.from(fixture('npz')[name], 'base64');
      const path = join(folder, 'frames.npz');
      await writeFile(path, bytes);
      for (const source of [path, bytes]) {
        const frames = await all(source);
        expect(frames.map(({ shape }) => shape)).toEqual([
          [1, 3, 4],
          [1, 3, 4],
        ]);
        expect([...frames[1]!.data]).toEqual(Array.from({ length: 12 }, (_, i) => 12 + i));
      }
    },
  );

  it('an .npz of several arrays asks for one', async () => {
    const bytes = Buffer.from(fixture('npz')['several'], 'base64');
    await expect(all(bytes)).rejects.toThrow(/expected one array, got 2: clips, input_raw_data/);
  });

  it('JPEG files, beside others of a folder', async () => {
    const inner = join(folder, 'jpeg');
    await mkdir(inner);
    const { shape, cases } = fixture('jpeg');
    await writeFile(join(inner, '1.jpg'), Buffer.from(cases.grey.file, 'base64'));
    await writeFile(join(inner, '2.JPEG'), Buffer.from(cases['colour 4:2:0'].file, 'base64'));
    const frames = await all(inner);
    expect(frames.map((frame) => frame.shape)).toEqual([
      [1, ...shape],
      [1, ...shape],
    ]);
  });

  it('a web page in place of a frame is named', async () => {
    await expect(all(Buffer.from('<!doctype html>'))).rejects.toThrow(/got a web page/);
  });
});
