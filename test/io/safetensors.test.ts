import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as safetensors from '../../src/io/safetensors.js';
import { parseHeader } from '../../src/io/safetensors-header.js';
import { Tensor } from '../../src/tensor/tensor.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file with this header and data; `claim` replaces the header's true length. */
function file(header: unknown, data: Uint8Array = new Uint8Array(), claim?: bigint): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claim ?? BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

function bytesOf(values: Uint16Array | Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const f32 = (shape: unknown, offsets: unknown) => ({ dtype: 'F32', shape, data_offsets: offsets });

describe('reading', () => {
  it('returns tensors in the order of the file, and metadata', async () => {
    const bytes = file(
      { __metadata__: { epoch: '3' }, b: f32([2, 1], [4, 12]), a: f32([], [0, 4]) },
      bytesOf(Float32Array.of(7, 8, 9)),
    );
    const { tensors, metadata } = await safetensors.read(bytes);
    expect(metadata['epoch']).toBe('3');
    expect(Object.keys(tensors)).toEqual(['a', 'b']);
    expect(tensors['a']!.shape).toEqual([]);
    expect(tensors['b']!.shape).toEqual([2, 1]);
    expect([...(await tensors['b']!.data())]).toEqual([8, 9]);
  });

  it.each([
    [
      'F64',
      bytesOf(Float64Array.of(0.1, -Infinity, 1e300)),
      [Math.fround(0.1), -Infinity, Infinity],
    ],
    ['BF16', bytesOf(Uint16Array.of(0x3f80, 0xc049, 0x7f80)), [1, -3.140625, Infinity]],
    [
      'F16',
      bytesOf(Uint16Array.of(0x3c00, 0xc248, 0x0001, 0x83ff, 0x7bff, 0xfc00)),
      [1, -3.140625, 2 ** -24, -1023 * 2 ** -24, 65504, -Infinity],
    ],
  ])('converts %s to float32', async (dtype, data, expected) => {
    const header = { x: { dtype, shape: [expected.length], data_offsets: [0, data.length] } };
    const { x } = await safetensors.load(file(header, data));
    expect([...(await x!.data())]).toEqual(expected);
  });

  it('keeps NaN and the sign of zero of F16', async () => {
    const data = bytesOf(Uint16Array.of(0x7e00, 0x8000));
    const header = { x: { dtype: 'F16', shape: [2], data_offsets: [0, 4] } };
    const { x } = await safetensors.load(file(header, data));
    expect([...(await x!.data())]).toEqual([Number.NaN, -0]);
  });

  it('accepts unaligned bytes of a larger buffer, and a header of odd length', async () => {
    const bytes = file(
      '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} ',
      bytesOf(Float32Array.of(1, 2)),
    );
    for (let shift = 0; shift < 4; shift++) {
      const larger = new Uint8Array(bytes.length + shift);
      larger.set(bytes, shift);
      const { x } = await safetensors.load(larger.subarray(shift));
      expect([...(await x!.data())]).toEqual([1, 2]);
    }
  });

  it('accepts the same key in different objects, and strings that look like keys', async () => {
    const { tensors, metadata } = await safetensors.read(
      file({
        __metadata__: { shape: '"a":{"a":', a: '\\' },
        a: f32([0], [0, 0]),
        b: f32([0], [0, 0]),
      }),
    );
    expect(Object.keys(tensors)).toEqual(['a', 'b']);
    expect(metadata['shape']).toBe('"a":{"a":');
  });

  it('accepts empty tensors and files without tensors', async () => {
    const { x } = await safetensors.load(file({ x: f32([0, 3], [0, 0]) }));
    expect(x!.shape).toEqual([0, 3]);
    expect(Object.keys(await safetensors.load(file('{}')))).toEqual([]);
  });

  it('reads the same from a path, a URL and bytes', async () => {
    const path = join(folder, 'three.safetensors');
    await writeFile(path, file({ x: f32([1], [0, 4]) }, bytesOf(Float32Array.of(5))));
    for (const source of [
      path,
      new URL(`file://${path}`),
      new Uint8Array(await readFile(path)).buffer,
    ]) {
      expect([...(await (await safetensors.load(source))['x']!.data())]).toEqual([5]);
    }
  });

  it('accepts offsets of many gigabytes', () => {
    const giga = 2 ** 30;
    const header = { a: f32([giga], [0, 4 * giga]), b: f32([giga, 2], [4 * giga, 12 * giga]) };
    const text = new TextEncoder().encode(JSON.stringify(header));
    expect(parseHeader('large', text, 12 * giga).tensors.map(({ end }) => end)).toEqual([
      4 * giga,
      12 * giga,
    ]);
  });

  it('reports the reason of the operating system for a file that does not open', async () => {
    const missing = join(folder, 'missing');
    await expect(safetensors.load(missing)).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(safetensors.load(missing)).rejects.toThrow(/missing: cannot read: ENOENT/);
    await expect(safetensors.load(folder)).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});

describe('a hostile file', () => {
  const four = new Uint8Array(4);
  const eight = new Uint8Array(8);
  const huge = 2 ** 40;
  it.each<[string, Uint8Array, RegExp]>([
    ['is empty', new Uint8Array(), /expected a safetensors file, got an empty file/],
    ['ends within its length', new Uint8Array(7), /at least 8 bytes, got 7/],
    [
      'claims a header of 2^64 - 1 bytes',
      file('{}', four, 2n ** 64n - 1n),
      /at most 100000000 bytes, got 18446744073709551615/,
    ],
    ['claims a header one byte too long', file('{}', four, 7n), /does not fit into 14/],
    ['has no header', file(''), /does not begin with \{/],
    ['begins with a blank', file(' {}'), /does not begin with \{/],
    ['has an array as header', file('[]'), /does not begin with \{/],
    ['has broken JSON', file('{"a":'), /not valid JSON/],
    ['has more after the object', file('{}{}'), /not valid JSON/],
    [
      'has broken UTF-8',
      Buffer.concat([file('{""}').subarray(0, 9), Buffer.of(0xff, 0x7d)]),
      /fit|JSON/,
    ],
    ['has metadata that is a list', file({ __metadata__: [] }), /__metadata__ is not an object/],
    ['has a number in its metadata', file({ __metadata__: { a: 1 } }), /"a" is not a string/],
    ['has null for a tensor', file({ a: null }), /"a": is not an object/],
    ['has a list for a tensor', file({ a: [] }), /"a": is not an object/],
    [
      'has a dtype that is no string',
      file({ a: { ...f32([1], [0, 4]), dtype: ['F32'] } }, four),
      /dtype/,
    ],
    ['has no shape', file({ a: f32(undefined, [0, 4]) }, four), /shape is not an array/],
    ['has a shape of 33 axes', file({ a: f32(Array(33).fill(1), [0, 4]) }, four), /at most 32/],
    ['has a negative size', file({ a: f32([-1], [0, 4]) }, four), /non-negative/],
    ['has a fractional size', file({ a: f32([0.5, 2], [0, 4]) }, four), /non-negative/],
    ['has a size that is text', file({ a: f32(['1'], [0, 4]) }, four), /non-negative/],
    [
      'has a size beyond 2^53',
      file('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', four),
      /countable/,
    ],
    ['has a product beyond 2^53', file({ a: f32([huge, huge, 0.5], [0, 4]) }, four), /countable/],
    ['has a product that wraps to zero', file({ a: f32([2 ** 32, 2 ** 32], [0, 0]) }), /countable/],
    ['has more bytes than 2^53', file({ a: f32([2 ** 52], [0, 4]) }, four), /countable/],
    ['hides a huge product behind a zero', file({ a: f32([0, 2 ** 53], [0, 0]) }), /countable/],
    ['has one offset', file({ a: f32([1], [0]) }, four), /data_offsets/],
    ['has three offsets', file({ a: f32([1], [0, 4, 8]) }, eight), /data_offsets/],
    ['has a negative offset', file({ a: f32([1], [-4, 0]) }, four), /data_offsets/],
    [
      'has offsets in the wrong order',
      file({ a: f32([1], [4, 0]) }, four),
      /end before they begin/,
    ],
    ['has too few bytes for the shape', file({ a: f32([2], [0, 4]) }, four), /takes 8/],
    ['has too many bytes for the shape', file({ a: f32([1], [0, 8]) }, eight), /takes 4/],
    ['points beyond its end', file({ a: f32([huge], [0, 4 * huge]) }, four), /but 4 follow/],
    ['begins after a hole', file({ a: f32([1], [4, 8]) }, eight), /leaves a hole/],
    [
      'has a hole',
      file({ a: f32([1], [0, 4]), b: f32([1], [8, 12]) }, new Uint8Array(12)),
      /"b".*hole/,
    ],
    [
      'has tensors that overlap',
      file({ a: f32([2], [0, 8]), b: f32([1], [4, 8]) }, eight),
      /"b".*overlaps/,
    ],
    [
      'has a tensor under two names',
      file({ a: f32([1], [0, 4]), b: f32([1], [0, 4]) }, four),
      /"b".*overlaps/,
    ],
    [
      'has a name twice',
      file(
        `{"a":${JSON.stringify(f32([1], [0, 4]))}, "\\u0061" :${JSON.stringify(f32([1], [0, 4]))}}`,
        four,
      ),
      /header has the key "a" twice/,
    ],
    [
      'has two shapes for a tensor',
      file('{"a":{"dtype":"F32","shape":[2],"shape":[1],"data_offsets":[0,4]}}', four),
      /header has the key "shape" twice/,
    ],
    [
      'has an entry of its metadata twice',
      file('{"__metadata__":{"a\\":":"1","b":"\\"","a\\":":"2"}}'),
      /header has the key "a\\":" twice/,
    ],
    [
      'has bytes that belong to no tensor',
      file({ a: f32([1], [0, 4]) }, eight),
      /take 4 bytes but 8/,
    ],
    ['is cut short', file({ a: f32([2], [0, 8]) }, four), /but 4 follow/],
  ])('that %s gets ERR_FORMAT', async (_, bytes, message) => {
    const before = process.memoryUsage().arrayBuffers;
    const path = join(folder, 'hostile.safetensors');
    await writeFile(path, bytes);
    for (const source of [bytes, path]) {
      await expect(safetensors.load(source)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
      await expect(safetensors.load(source)).rejects.toThrow(message);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  it('does not reach Object.prototype through its keys', async () => {
    const header =
      '{"__metadata__":{"__proto__":"m"},"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
    const { tensors, metadata } = await safetensors.read(file(header, bytesOf(Float32Array.of(6))));
    const key = '__proto__';
    expect(Object.keys(tensors)).toEqual([key]);
    expect([...(await tensors[key]!.data())]).toEqual([6]);
    expect(metadata[key]).toBe('m');
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['dtype']).toBeUndefined();
  });
});

describe('writing', () => {
  const dict = () => ({
    'head.weight': Tensor.from([
      [1, 2],
      [3, 4],
    ]),
    'head.bias': { data: Float32Array.of(0.5), shape: [1] },
  });

  it('round-trips through bytes and through a file', async () => {
    const path = join(folder, 'written.safetensors');
    await safetensors.save(path, dict(), { metadata: { note: 'ü' } });
    const bytes = await safetensors.save(null, dict(), { metadata: { note: 'ü' } });
    expect(Buffer.from(bytes).equals(await readFile(path))).toBe(true);
    const { tensors, metadata } = await safetensors.read(bytes);
    expect(metadata['note']).toBe('ü');
    expect(await tensors['head.weight']!.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await tensors['head.bias']!.toArray()).toEqual([0.5]);
  });

  it('aligns values to eight bytes', async () => {
    for (const name of ['a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg', 'abcdefgh']) {
      const bytes = await safetensors.save(null, { [name]: Tensor.zeros([1]) });
      expect(Number(Buffer.from(bytes).readBigUInt64LE()) % 8).toBe(0);
    }
  });

  it('accepts any key but __metadata__', async () => {
    const names = ['1', '0', '__proto__', 'constructor', '', 'ключ "1"\n'];
    const entries = names.map((name, i): [string, Tensor] => [name, Tensor.full([1], i)]);
    const content = await safetensors.load(
      await safetensors.save(null, Object.fromEntries(entries)),
    );
    for (const [i, name] of names.entries())
      expect([...(await content[name]!.data())]).toEqual([i]);
    const reserved = safetensors.save(null, { __metadata__: Tensor.zeros([1]) });
    await expect(reserved).rejects.toMatchObject({ code: 'ERR_STATE_DICT' });
  });

  it('refuses a shape of another size, and metadata other than text', async () => {
    const misshapen = safetensors.save(null, { a: { data: new Float32Array(3), shape: [2] } });
    await expect(misshapen).rejects.toThrow('a: expected 2 values for [2], got 3');
    const metadata = { n: 1 } as unknown as Record<string, string>;
    const numeric = safetensors.save(null, {}, { metadata });
    await expect(numeric).rejects.toThrow('metadata: n: expected a string, got 1');
  });

  it('keeps the old file and leaves no other when it fails half-way', async () => {
    const inner = await mkdtemp(join(folder, 'atomic-'));
    const path = join(inner, 'weights.safetensors');
    await safetensors.save(path, { a: Tensor.ones([1]) });
    const before = await readFile(path);
    const gone = Tensor.ones([1]);
    gone.dispose();
    const failing = safetensors.save(path, { a: Tensor.zeros([1]), gone });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(await readdir(inner)).toEqual(['weights.safetensors']);
    expect(before.equals(await readFile(path))).toBe(true);
  });

  it('reports a missing folder', async () => {
    const saving = safetensors.save(join(folder, 'no', 'such.safetensors'), {});
    await expect(saving).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});
