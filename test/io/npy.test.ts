import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as npy from '../../src/io/npy.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
});
afterAll(() => rm(folder, { recursive: true }));

function file(dictionary: string, data: Uint8Array, version = 1): Buffer {
  const text = Buffer.from(`${dictionary}\n`, 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Buffer.of(version, 0),
    length,
    text,
    data,
  ]);
}

const header = (descr: string, shape: string, fortran = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;

describe('reading', () => {
  it.each<[string, number[], number[]]>([
    ['<f4', [0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0], [1.5, -2]],
    ['>f4', [0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0], [1.5, -2]],
    ['<f8', [0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0], [1.5, -2]],
    ['<f2', [0, 0x3e, 0, 0xc0], [1.5, -2]],
    ['|u1', [255, 3], [255, 3]],
    ['|i1', [255, 3], [-1, 3]],
    ['|b1', [1, 0], [1, 0]],
    ['<u2', [0xff, 0xff, 2, 1], [65535, 258]],
    ['>u2', [0xff, 0xff, 2, 1], [65535, 513]],
    ['<i2', [0xff, 0xff, 2, 1], [-1, 258]],
    ['<i4', [0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0], [-1, 2]],
    ['<u4', [0xff, 0xff, 0xff, 0, 2, 0, 0, 0], [16777215, 2]],
    ['<i8', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0, 0, 0], [-1, 2]],
    ['>u8', [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 0], [9, 256]],
  ])('converts %s to float32', async (descr, bytes, expected) => {
    const { data, shape } = await npy.load(file(header(descr, '(2,)'), Buffer.from(bytes)));
    expect(shape).toEqual([2]);
    expect([...data]).toEqual(expected);
  });

  it('reads versions 1 to 3 and every way to write a shape', async () => {
    for (const version of [1, 2, 3]) {
      for (const [text, shape] of [
        ['()', []],
        ['(1,)', [1]],
        ['(1, 1)', [1, 1]],
        ['(1,1,1)', [1, 1, 1]],
      ] as const) {
        const array = await npy.load(file(header('|u1', text), Buffer.of(7), version));
        expect(array).toEqual({ data: Float32Array.of(7), shape: [...shape] });
      }
    }
  });

  it.each([[[2, 3]], [[4]], [[2, 3, 4]], [[0, 5]], [[5, 0]], [[2, 1, 3, 2]]])(
    'reads Fortran order of shape %j as C order',
    async (shape) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const stored = new Uint8Array(count);
      // Place of the element with number n in C order, the first axis next to one another.
      const place = (n: number) => {
        let [rest, at] = [n, 0];
        for (let axis = shape.length - 1; axis >= 0; axis--) {
          const before = shape.slice(0, axis).reduce((a, b) => a * b, 1);
          at += (rest % shape[axis]!) * before;
          rest = Math.floor(rest / shape[axis]!);
        }
        return at;
      };
      for (let n = 0; n < count; n++) stored[place(n)] = n;
      const text = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
      const array = await npy.load(file(header('|u1', text, 'True'), stored));
      expect(array.shape).toEqual(shape);
      expect([...array.data]).toEqual(Array.from({ length: count }, (_, n) => n));
    },
  );

  it('copies the bytes given', async () => {
    const bytes = file(header('<f4', '(1,)'), Buffer.alloc(4));
    const { data } = await npy.load(bytes);
    bytes.fill(0xff);
    expect(data[0]).toBe(0);
  });

  const one = Buffer.alloc(4);
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', Buffer.alloc(0), /not an .npy file/],
    ['another format', Buffer.from('\x93NUMPZ\x01\0\0\0\0\0', 'latin1'), /not an .npy file/],
    ['version 4', file(header('<f4', '(1,)'), one, 4), /expected version 1 to 3, got 4/],
    [
      'a header beyond the end',
      Buffer.from('\x93NUMPY\x01\0\xff\xff{}', 'latin1'),
      /longer than the file/,
    ],
    [
      'a claim of 4 GiB',
      Buffer.from('\x93NUMPY\x02\0\xff\xff\xff\xff{}', 'latin1'),
      /longer than the file/,
    ],
    ['another order', file(header('<f4', '(1,)', "'F'"), one), /expected True or False, got 'F'/],
    ['no dictionary', file('[]', one), /not a dictionary/],
    ['code in the dictionary', file("{'descr': __import__('os')}", one), /invalid at "'descr'/],
    ['an unknown key', file("{'descr': '<f4', 'x': 1}", one), /header is invalid/],
    ['a key twice', file("{'descr': '<f4', 'descr': '<f4'}", one), /header is invalid/],
    ['no shape', file("{'descr': '<f4', 'fortran_order': False}", one), /no 'shape'/],
    [
      'complex numbers',
      file(header('<c8', '(1,)'), Buffer.alloc(8)),
      /descr '<c8' is not supported/,
    ],
    ['text', file(header('<U4', '(1,)'), Buffer.alloc(16)), /not supported/],
    [
      'a descr that is not text',
      file("{'descr': True, 'fortran_order': False, 'shape': (1,)}", one),
      /not supported/,
    ],
    ['a name of Object.prototype', file(header('<constructor', '(1,)'), one), /not supported/],
    ['too few bytes', file(header('<f4', '(2,)'), one), /takes 8 bytes, got 4/],
    ['too many bytes', file(header('<f4', '(0,)'), one), /takes 0 bytes, got 4/],
    [
      'a shape beyond counting',
      file(header('<f4', '(999999999999, 999999999999)'), one),
      /takes Infinity/,
    ],
    ['a shape that is not numbers', file(header('<f4', '(1 1,)'), one), /takes Infinity/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(npy.load(bytes)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(npy.load(bytes)).rejects.toThrow(message);
  });
});

describe('writing', () => {
  it.each([[[]], [[6]], [[2, 3]], [[1, 2, 1, 3]], [[0, 5]]])(
    'round-trips shape %j',
    async (shape) => {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 3);
      const path = join(folder, 'array.npy');
      await npy.save(path, { data, shape });
      expect(await npy.load(path)).toEqual({ data, shape });
    },
  );

  it('writes the same bytes as NumPy', async () => {
    // np.save of np.zeros((2, 3), '<f4')
    const text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117);
    const expected = file(text, Buffer.alloc(24));
    expect(expected.length).toBe(128 + 24);
    expect(
      Buffer.from(npy.encode({ data: new Float32Array(6), shape: [2, 3] })).equals(expected),
    ).toBe(true);
  });

  it('refuses a shape of another size and keeps the old file', async () => {
    const path = join(folder, 'kept.npy');
    await writeFile(path, 'old');
    const saving = npy.save(path, { data: new Float32Array(5), shape: [2, 3] });
    await expect(saving).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    expect(await readFile(path, 'utf8')).toBe('old');
  });
});
