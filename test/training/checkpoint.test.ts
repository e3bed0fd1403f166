import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadCheckpoint,
  manualSeed,
  randomState,
  safetensors,
  saveCheckpoint,
  setRandomState,
  Tensor,
} from '../../src/index.js';
import { expectError } from '../support/errors.js';

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-checkpoint-'));
  file = join(folder, 'run.safetensors');
});
afterAll(() => rm(folder, { recursive: true }));

describe('checkpoints', () => {
  it('keep numbers, text, lists, objects and tensors bit by bit', async () => {
    const weight = Tensor.from(Float32Array.of(0.1, -0, 1e-45, Infinity), [2, 2]);
    const state = {
      step: 2 ** 53 - 1,
      lr: 0.1 + 0.2,
      best: null,
      done: false,
      name: 'run "é"',
      points: [
        [1, 1e-300],
        [2, 5e-324],
      ],
      model: { 'cells.0.weight': weight, nothing: {} },
      parts: [{ average: Tensor.ones([3]) }, [Tensor.zeros([])]],
    };
    await saveCheckpoint(file, state);
    const loaded = await loadCheckpoint(file);
    const { model, parts, ...plain } = loaded;
    const { model: _, parts: __, ...expected } = state;
    expect(plain).toEqual(expected);
    const read = (model as Record<string, Tensor>)['cells.0.weight']!;
    expect(read.shape).toEqual([2, 2]);
    expect(new Uint32Array((await read.data()).buffer)).toEqual(
      new Uint32Array((await weight.data()).buffer),
    );
    const [first, second] = parts as unknown as [{ average: Tensor }, Tensor[]];
    expect(await first.average.toArray()).toEqual([1, 1, 1]);
    expect(second[0]!.shape).toEqual([]);
    // Any safetensors reader finds the tensors under their paths.
    const { tensors } = await safetensors.readHeader(file);
    expect(tensors.map(({ name }) => name)).toEqual([
      'model.cells.0.weight',
      'parts.0.average',
      'parts.1.0',
    ]);
    expect(await readdir(folder)).toEqual(['run.safetensors']);
  });

  it('distinguish names whose paths are equal', async () => {
    await saveCheckpoint(file, { a: { 'b.c': Tensor.from(1) }, 'a.b': { c: Tensor.from(2) } });
    const { a, 'a.b': ab } = (await loadCheckpoint(file)) as unknown as Record<
      string,
      Record<string, Tensor>
    >;
    expect([await a!['b.c']!.item(), await ab!['c']!.item()]).toEqual([1, 2]);
  });

  it.each([
    [{ a: { b: new Float32Array(2) } }, 'a.b: expected', 'Float32Array'],
    [{ a: [() => 1] }, 'a.0: expected', '[Function'],
    [{ a: new Map() }, 'a: expected', 'Map'],
    [3n, 'state: expected', '3'],
  ])('refuse values that JSON would lose: %o', async (state, name, kind) => {
    const saving = saveCheckpoint(join(folder, 'none.safetensors'), state as never);
    await expect(saving).rejects.toMatchObject({ code: 'ERR_OPTION' });
    await expect(saving).rejects.toThrow(name);
    await expect(saving).rejects.toThrow(`got ${kind}`);
  });

  it('refuse NaN and infinities and leave the old file', async () => {
    await saveCheckpoint(file, { step: 1 });
    const saving = saveCheckpoint(file, { history: [[1, Number.NaN]] });
    await expect(saving).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: 'history.0.1: expected a finite number, got NaN',
    });
    expect(await loadCheckpoint(file)).toEqual({ step: 1 });
  });

  it.each<[string, () => Promise<void>, string]>([
    ['no safetensors file', () => writeFile(file, 'nothing of the kind'), ''],
    ['a model', () => safetensors.save(file, { w: Tensor.ones([1]) }), 'is not a checkpoint'],
    [
      'damaged JSON',
      () => safetensors.save(file, {}, { metadata: { convlstm_checkpoint: '{' } }),
      'is not JSON of a state',
    ],
    [
      'lists in lists without an end',
      () => {
        const json = '['.repeat(1e5) + ']'.repeat(1e5);
        return safetensors.save(file, {}, { metadata: { convlstm_checkpoint: json } });
      },
      'is not JSON of a state',
    ],
    [
      'a list',
      () => safetensors.save(file, {}, { metadata: { convlstm_checkpoint: '[]' } }),
      'holds no state',
    ],
    [
      'a tensor that is not there',
      () => {
        const json = JSON.stringify({ model: { $tensor: 'gone' } });
        return safetensors.save(file, {}, { metadata: { convlstm_checkpoint: json } });
      },
      'has no tensor "gone"',
    ],
  ])('are refused: %s', async (_, write, message) => {
    await write();
    await expect(loadCheckpoint(file)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining(message),
    });
  });
});

describe('random state', () => {
  it('continues with the same numbers', async () => {
    manualSeed(7);
    Tensor.rand([5]);
    const state = randomState();
    const expected = await Tensor.randn([6]).data();
    expect(await Tensor.randn([6]).data()).not.toEqual(expected);
    setRandomState(JSON.parse(JSON.stringify(state)));
    expect(await Tensor.randn([6]).data()).toEqual(expected);
    // Reading the state does not change it.
    setRandomState(state);
    randomState();
    expect(await Tensor.randn([6]).data()).toEqual(expected);
  });

  it.each([
    { key0: -1, key1: 0, counter: 0 },
    { key0: 0, key1: 2 ** 32, counter: 0 },
    { key0: 0, key1: 0, counter: 0.5 },
    {},
  ])('refuses %j', (state) => {
    expectError(() => setRandomState(state as never), 'ERR_OPTION', 'random state');
  });
});
