import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npy, npz } from '../../src/index.js';
import { zipArchive } from '../support/zip.js';

const fixtures: Record<string, string> = JSON.parse(
  readFileSync(new URL('../fixtures/npz.json', import.meta.url), 'utf8'),
);
const fixture = (name: string) => Buffer.from(fixtures[name]!, 'base64');
const frames = { data: Float32Array.from({ length: 24 }, (_, i) => i), shape: [2, 3, 4] };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('npz of NumPy', () => {
  it.each(['stored', 'deflated', 'zip64 and a comment'])('%s', async (name) => {
    expect(await npz.load(fixture(name))).toEqual(frames);
    const path = join(folder, `${name}.npz`);
    await writeFile(path, fixture(name));
    expect(await npz.load(path)).toEqual(frames);
    expect(await npz.names(path)).toHaveLength(1);
  });

  it('several arrays are read by name, and asked for', async () => {
    const file = fixture('several');
    expect(await npz.names(file)).toEqual(['clips', 'input_raw_data']);
    expect(await npz.load(file, { name: 'input_raw_data' })).toEqual(frames);
    expect((await npz.load(file, { name: 'clips' })).shape).toEqual([2, 1, 2]);
    await expect(npz.load(file)).rejects.toThrow(
      "bytes: expected one array, got 2: clips, input_raw_data; name one: npz.load(file, { name: 'clips' })",
    );
    await expect(npz.load(file, { name: 'x' })).rejects.toThrow(
      "has no array 'x'; it has clips, input_raw_data",
    );
    await expect(npz.load(file, { name: 1 as unknown as string })).rejects.toThrow(
      'name: expected a string, got 1',
    );
  });

  it('without arrays is refused', async () => {
    await expect(npz.load(fixture('none'))).rejects.toThrow('is a zip without .npy arrays');
  });
});

describe('a damaged archive', () => {
  const array = npy.encode({ data: new Float32Array(16), shape: [16] });
  const entry = { name: 'x.npy', bytes: array };
  const good = zipArchive([entry]);
  const at = good.length - 22;
  const patched = (offset: number, bytes: readonly number[]) => {
    const copy = Buffer.from(good);
    copy.set(bytes, offset);
    return copy;
  };

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /not an \.npz file, or cut short/],
    ['a cut file', good.subarray(0, good.length - 1), /cut short/],
    [
      'a directory beyond the end',
      patched(at + 16, [0xff, 0xff, 0xff, 0x7f]),
      /damaged zip: bytes 2147483647/,
    ],
    ['a directory elsewhere', patched(at + 16, [0, 0, 0, 0]), /directory is damaged at entry 0/],
    ['a changed value', patched(30 + 5 + 130, [1]), /x: checksum or size differs/],
    [
      'another method',
      zipArchive([{ ...entry, method: 12 }]),
      /x: expected stored or deflated data, got zip method 12/,
    ],
    ['an encrypted entry', zipArchive([{ ...entry, flags: 1 }]), /x: is encrypted/],
    ['two entries of a name', zipArchive([entry, entry]), /expected one array, got 2/],
    [
      'an entry that is no array',
      zipArchive([{ name: 'x.npy', bytes: Buffer.from('text') }]),
      /x: is not an \.npy file/,
    ],
    [
      'an entry that inflates to more than it claims',
      zipArchive([
        {
          name: 'x.npy',
          bytes: new Uint8Array(9),
          method: 8,
          packed: deflateRawSync(new Uint8Array(2 ** 24)),
        },
      ]),
      /x: cannot be inflated to the 9 bytes that it claims/,
    ],
  ])('with %s gets ERR_FORMAT', async (_, bytes, message) => {
    await expect(npz.load(bytes)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(npz.load(bytes)).rejects.toThrow(message);
  });
});
