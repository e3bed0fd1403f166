// A hostile safetensors file gets ERR_FORMAT, no other error
// and no allocation of the size that its header claims.
import { it } from 'vitest';
import { safetensors } from '../../src/index.js';
import { fuzz } from '../support/fuzz.js';
import type { Json, Mutator } from '../support/mutate.js';

const kHeaders = 120_000;
const kFullReads = 20_000;

const originals: { header: Json; dataBytes: number }[] = [
  { header: {}, dataBytes: 0 },
  { header: { w: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] } }, dataBytes: 24 },
  {
    header: {
      __metadata__: { format: 'pt', convlstm: '{"version":1}' },
      'cell_list.0.conv.weight': { dtype: 'F32', shape: [4, 2, 1, 1], data_offsets: [0, 32] },
      'cell_list.0.conv.bias': { dtype: 'F64', shape: [4], data_offsets: [32, 64] },
      half: { dtype: 'F16', shape: [3], data_offsets: [64, 70] },
      brain: { dtype: 'BF16', shape: [1, 1], data_offsets: [70, 72] },
      scalar: { dtype: 'F32', shape: [], data_offsets: [72, 76] },
      empty: { dtype: 'F32', shape: [0, 5], data_offsets: [76, 76] },
    },
    dataBytes: 76,
  },
  { header: { n: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, dataBytes: 8 },
];

function encode(header: Uint8Array, dataBytes: number, claimedLength: bigint): Uint8Array {
  const file = new Uint8Array(8 + header.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt.asUintN(64, claimedLength), true);
  file.set(header, 8);
  return file;
}

function mutate(mutator: Mutator): Uint8Array {
  const { header, dataBytes } = mutator.pick(originals);
  const structural = mutator.below(2) === 0;
  let text = new TextEncoder().encode(JSON.stringify(structural ? mutator.json(header) : header));
  if (!structural || mutator.below(8) === 0) text = Uint8Array.from(mutator.bytes(text));
  const length = BigInt(text.length);
  const lie = mutator.below(12);
  if (lie === 0) return encode(text, dataBytes, length + BigInt(mutator.below(9) - 4));
  if (lie === 1)
    return encode(text, dataBytes, mutator.pick([0n, 1n, 2n ** 31n, 2n ** 63n, -1n, 10n ** 8n]));
  if (lie === 2) return mutator.bytes(encode(text, dataBytes, length));
  if (lie === 3) return encode(text, mutator.below(100), length);
  return encode(text, dataBytes, length);
}

it(`readHeader survives ${kHeaders} mutated headers`, { timeout: 300_000 }, async () => {
  await fuzz({
    runs: kHeaders,
    seed: 0,
    mutate,
    read: (bytes) => safetensors.readHeader(bytes),
    codes: ['ERR_FORMAT'],
    allocationLimit: (fileBytes) => fileBytes,
  });
});

it(`read survives ${kFullReads} mutated files`, { timeout: 300_000 }, async () => {
  await fuzz({
    runs: kFullReads,
    seed: 1e9,
    mutate,
    read: async (bytes) => {
      const { tensors } = await safetensors.read(bytes);
      for (const tensor of Object.values(tensors)) tensor.dispose();
    },
    codes: ['ERR_FORMAT'],
    // Half-precision numbers double in size as float32.
    allocationLimit: (fileBytes) => 2 * fileBytes,
  });
});
