// Hostile model descriptions are refused by field name before memory of the claimed size is allocated.
import { it } from 'vitest';
import { loadModel, parseDescription } from '../../src/index.js';
import { fuzz } from '../support/fuzz.js';
import type { Json, Mutator } from '../support/mutate.js';

const full: Json = {
  version: 1,
  channels: 1,
  patchSize: 1,
  cell: 'convlstm',
  hiddenDim: [1],
  kernelSize: [[1, 1]],
  bias: true,
  peephole: false,
  imageSize: null,
  headKernelSize: 1,
  output: 'sigmoid',
  scale: 1,
};
const originals: Json[] = [
  full,
  { version: 1, hiddenDim: [1], kernelSize: 1 },
  { ...full, peephole: 'spatial', imageSize: [4, 6], patchSize: 2 },
];

const encode = (json: Json) => new TextEncoder().encode(JSON.stringify(json));

it('parseDescription survives 20000 mutated descriptions', async () => {
  await fuzz({
    runs: 20_000,
    seed: 0,
    mutate: (mutator) => encode(mutator.json(mutator.pick(originals))),
    read: (bytes) => parseDescription(JSON.parse(new TextDecoder().decode(bytes))),
    codes: ['ERR_OPTION'],
    allocationLimit: () => 1024,
  });
});

/** A weights file of `full` with another description. */
function weightsFile(description: string): Uint8Array {
  const shapes: [string, number[]][] = [
    ['cell_list.0.conv.weight', [4, 2, 1, 1]],
    ['cell_list.0.conv.bias', [4]],
    ['head.weight', [1, 1, 1, 1]],
    ['head.bias', [1]],
  ];
  let end = 0;
  const entries = shapes.map(([name, shape]) => {
    const begin = end;
    end += 4 * shape.reduce((count, size) => count * size, 1);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
  });
  const metadata = { convlstm: description };
  const header = encode({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const file = new Uint8Array(8 + header.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  return file;
}

function mutate(mutator: Mutator): Uint8Array {
  const description = mutator.json(mutator.pick(originals));
  const text = JSON.stringify(description);
  if (mutator.below(3) > 0) return weightsFile(text);
  return weightsFile(new TextDecoder().decode(mutator.bytes(encode(description))));
}

it('loadModel survives 20000 mutated descriptions', { timeout: 300_000 }, async () => {
  await fuzz({
    runs: 20_000,
    seed: 0,
    mutate,
    read: async (bytes) => (await loadModel(bytes)).dispose(),
    codes: ['ERR_FORMAT', 'ERR_STATE_DICT'],
    allocationLimit: (fileBytes) => 8 * fileBytes,
  });
});
