// Types beside float32, a part of a file, files beyond 2 GiB, shards.
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Conv2d, ConvLSTM, safetensors, Tensor } from '../../src/index.js';
import { f32, type RawTensor, safetensorsBytes } from '../support/safetensors-bytes.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
});
afterAll(() => rm(folder, { recursive: true }));

const raw = (dtype: string, shape: number[], byteCount: number): RawTensor => ({
  dtype,
  shape,
  bytes: new Uint8Array(byteCount),
});

describe('types', () => {
  // What torch.save_file writes for the state dict of a model with BatchNorm2d.
  const batchNorm = safetensorsBytes({
    'bn.num_batches_tracked': raw('I64', [], 8),
    'bn.running_mean': f32([2], [1, 2]),
    mask: raw('BOOL', [3], 3),
    'rnn.cell_list.0.conv.weight': f32([4, 2, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8]),
    'rnn.cell_list.0.conv.bias': f32([4], [1, 2, 3, 4]),
  });

  it('leaves integers and booleans out, reports them, and loads the rest', async () => {
    const { tensors, skipped } = await safetensors.read(batchNorm);
    expect(Object.keys(tensors)).toEqual([
      'bn.running_mean',
      'rnn.cell_list.0.conv.weight',
      'rnn.cell_list.0.conv.bias',
    ]);
    expect(skipped.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['bn.num_batches_tracked', 'I64', []],
      ['mask', 'BOOL', [3]],
    ]);
    const net = new ConvLSTM({ inputDim: 1, hiddenDim: 1, kernelSize: 1 });
    net.loadStateDict(tensors, { prefix: 'rnn.' });
    expect([...(await net.stateDict()['cell_list.0.conv.bias']!.data())]).toEqual([1, 2, 3, 4]);
  });

  it.each<[string, number[], number]>([
    ['I64', [2], 16],
    ['U64', [1], 8],
    ['I32', [1], 4],
    ['U32', [1], 4],
    ['I16', [1], 2],
    ['U16', [1], 2],
    ['I8', [1], 1],
    ['U8', [5], 5],
    ['BOOL', [0], 0],
    ['F8_E8M0', [3], 3],
    ['F8_E4M3FNUZ', [3], 3],
    ['F8_E5M2FNUZ', [3], 3],
    ['F4', [2, 3], 3],
    ['F6_E2M3', [4], 3],
    ['F6_E3M2', [4], 3],
    ['C64', [2], 16],
    ['F128_OF_THE_FUTURE', [2], 32],
    ['constructor', [2], 1],
  ])('%s beside a float is skipped', async (dtype, shape, byteCount) => {
    const bytes = safetensorsBytes({ other: raw(dtype, shape, byteCount), x: f32([1], [5]) });
    const { tensors, skipped } = await safetensors.read(bytes);
    expect(await tensors['x']!.toArray()).toEqual([5]);
    expect(skipped.map((entry) => [entry.name, entry.dtype])).toEqual([['other', dtype]]);
    expect((await safetensors.readHeader(bytes)).tensors).toHaveLength(2);
  });

  it('reads float8 exactly', async () => {
    const bytes = safetensorsBytes({
      // torch.float8_e4m3fn: 1, -1.75, 448 (largest), 2^-9 (smallest), NaN, -0
      a: { dtype: 'F8_E4M3', shape: [6], bytes: Uint8Array.of(0x38, 0xbe, 0x7e, 0x01, 0x7f, 0x80) },
      // torch.float8_e5m2: 1, -1.75, 57344 (largest), 2^-16 (smallest), infinity, NaN
      b: { dtype: 'F8_E5M2', shape: [6], bytes: Uint8Array.of(0x3c, 0xbf, 0x7b, 0x01, 0x7c, 0x7e) },
    });
    const { a, b } = await safetensors.load(bytes);
    expect([...(await a!.data())]).toEqual([1, -1.75, 448, 2 ** -9, Number.NaN, -0]);
    expect([...(await b!.data())]).toEqual([1, -1.75, 57344, 2 ** -16, Infinity, Number.NaN]);
  });

  it('a weight that the model needs in another type is named with its type', async () => {
    const bytes = safetensorsBytes({
      'p.weight': raw('I8', [1, 1, 1, 1], 1),
      'p.bias': f32([1], [0]),
    });
    const conv = new Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1 });
    const dict = await safetensors.load(bytes);
    expect(() => conv.loadStateDict(dict, { prefix: 'p.' })).toThrow(
      'missing key p.weight: its file has it as I8, expected F64, F32, F16, BF16, F8_E4M3, F8_E5M2',
    );
  });
});

describe('prefix', () => {
  it('takes the tensors with that prefix alone, by their full names', async () => {
    const bytes = safetensorsBytes({
      'a.x': f32([1], [1]),
      'a.n': raw('I64', [], 8),
      'ab.x': f32([1], [2]),
      n: raw('I64', [], 8),
    });
    const { tensors, skipped } = await safetensors.read(bytes, { prefix: 'a.' });
    expect(Object.keys(tensors)).toEqual(['a.x']);
    expect(skipped.map(({ name }) => name)).toEqual(['a.n']);
    expect(Object.keys(await safetensors.load(bytes, { prefix: 'none' }))).toEqual([]);
    const wrong = safetensors.load(bytes, { prefix: 1 as unknown as string });
    await expect(wrong).rejects.toThrow('prefix: expected a string, got 1');
  });

  it.skipIf(process.platform === 'win32')('reads a few bytes of a file of 6 GiB', async () => {
    const giga = 2 ** 30;
    const header = Buffer.from(
      JSON.stringify({
        big: { dtype: 'U8', shape: [3, giga], data_offsets: [0, 3 * giga] },
        'float.big': { dtype: 'F32', shape: [768, 2 ** 20], data_offsets: [3 * giga, 6 * giga] },
        'rnn.bias': { dtype: 'F32', shape: [2], data_offsets: [6 * giga, 6 * giga + 8] },
      }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const path = join(folder, 'large.safetensors');
    const file = await open(path, 'w');
    await file.write(Buffer.concat([length, header]));
    const values = new Uint8Array(Float32Array.of(3, 4).buffer);
    await file.write(values, 0, 8, 8 + header.length + 6 * giga);
    await file.close();
    const before = process.memoryUsage().arrayBuffers;
    const { tensors } = await safetensors.read(path, { prefix: 'rnn.' });
    expect(await tensors['rnn.bias']!.toArray()).toEqual([3, 4]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    await rm(path);
  });
});

describe('the index of a sharded model', () => {
  async function sharded(name: string, map: Record<string, unknown>): Promise<string> {
    const inner = join(folder, name);
    await mkdir(inner);
    await writeFile(
      join(inner, 'model-1.safetensors'),
      safetensorsBytes({ a: f32([1], [1]), n: raw('I64', [], 8) }, { format: 'pt' }),
    );
    await writeFile(
      join(inner, 'model-2.safetensors'),
      safetensorsBytes({ 'b.x': f32([1], [2]), spare: f32([1], [3]) }),
    );
    const index = join(inner, 'model.safetensors.index.json');
    await writeFile(
      index,
      JSON.stringify({ metadata: { total_size: 16 }, weight_map: map }, null, 2),
    );
    return index;
  }

  it('loads the tensors that it lists from the shards beside it', async () => {
    const map = {
      a: 'model-1.safetensors',
      n: 'model-1.safetensors',
      'b.x': 'model-2.safetensors',
    };
    const index = await sharded('whole', map);
    const { tensors, skipped, metadata } = await safetensors.read(index);
    expect(Object.keys(tensors)).toEqual(['a', 'b.x']);
    expect(await tensors['b.x']!.toArray()).toEqual([2]);
    expect(skipped.map(({ name }) => name)).toEqual(['n']);
    expect(metadata['format']).toBe('pt');
    expect((await safetensors.readHeader(index)).tensors.map(({ name }) => name)).toEqual([
      'a',
      'n',
      'b.x',
    ]);
    expect(Object.keys(await safetensors.load(index, { prefix: 'b.' }))).toEqual(['b.x']);
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    [
      'a missing shard',
      { a: 'none.safetensors' },
      'ERR_IO',
      /index\.json: cannot read a shard: .*none\.safetensors: .*ENOENT/,
    ],
    [
      'a tensor that its shard lacks',
      { c: 'model-1.safetensors' },
      'ERR_FORMAT',
      /model-1\.safetensors: has no tensor "c", which .*index\.json places there/,
    ],
    [
      'a shard in another folder',
      { a: '../whole/model-1.safetensors' },
      'ERR_FORMAT',
      /weight_map: "a": expected the name of a file in the index's folder/,
    ],
    ['a shard that is a folder', { a: '..' }, 'ERR_FORMAT', /weight_map: "a": expected the name/],
    ['a shard that is no name', { a: 1 }, 'ERR_FORMAT', /weight_map: "a": expected the name/],
  ])('with %s is refused', async (name, map, code, message) => {
    const loading = safetensors.load(await sharded(name.replaceAll(' ', '-'), map));
    await expect(loading).rejects.toMatchObject({ code });
    await expect(loading).rejects.toThrow(message);
  });
});

it('tensors read before a damaged shard are disposed', async () => {
  const inner = join(folder, 'damaged');
  await mkdir(inner);
  await writeFile(join(inner, '1'), safetensorsBytes({ a: f32([1], [1]) }));
  await writeFile(join(inner, '2'), 'text');
  const index = join(inner, 'index.json');
  await writeFile(index, JSON.stringify({ weight_map: { a: '1', b: '2' } }));
  const dispose = vi.spyOn(Tensor.prototype, 'dispose');
  await expect(safetensors.load(index)).rejects.toThrow(/2: expected a header of at least 8 bytes/);
  expect(dispose).toHaveBeenCalled();
  dispose.mockRestore();
});
