// A damaged checkpoint, log or configuration of a run gets an error of this package that names the file,
// never an internal TypeError, and leaves the trainer as it was.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataLoader, type ErrorCode, ReduceLROnPlateau, safetensors } from '../../src/index.js';
import { RunFolder, readConfig } from '../../src/training/run-folder.js';
import { type FuzzOptions, fuzz } from '../support/fuzz.js';
import { type Json, Mutator } from '../support/mutate.js';
import { drain, points, setUp } from '../support/training.js';

const kRuns = 700;
const kKey = 'convlstm_checkpoint';

let folder: string;
let whole: Uint8Array;
let state: Json;
let header: Json;
let dataStart: number;

const make = (file?: string) => {
  const setting = setUp({
    reportEvery: 3,
    checkpoint: file === undefined ? null : { file },
    validation: { data: new DataLoader(points, { batchSize: 6 }) },
  });
  const schedule = new ReduceLROnPlateau(setting.optimizer, { patience: 1 });
  return { ...setting, schedule };
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-fuzz-'));
  const file = join(folder, 'whole.safetensors');
  await drain(make(file).trainer);
  whole = await readFile(file);
  const length = new DataView(whole.buffer, whole.byteOffset).getBigUint64(0, true);
  dataStart = 8 + Number(length);
  header = JSON.parse(new TextDecoder().decode(whole.subarray(8, dataStart)));
  state = JSON.parse((await safetensors.readHeader(file)).metadata[kKey]!);
});
afterAll(() => rm(folder, { recursive: true }));

/** The file with another state, tensors unchanged. */
function withState(text: string): Uint8Array {
  const { __metadata__: metadata, ...tensors } = header as Record<string, Record<string, string>>;
  const json = JSON.stringify({ __metadata__: { ...metadata, [kKey]: text }, ...tensors });
  const bytes = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + bytes.length + whole.length - dataStart);
  new DataView(file.buffer).setBigUint64(0, BigInt(bytes.length), true);
  file.set(bytes, 8);
  file.set(whole.subarray(dataStart), 8 + bytes.length);
  return file;
}

/** Damages values of the state, its text, or any byte of the file. */
function mutate(mutator: Mutator): Uint8Array {
  const kind = mutator.below(6);
  if (kind === 0) return mutator.bytes(whole);
  if (kind === 1) {
    const text = mutator.bytes(new TextEncoder().encode(JSON.stringify(state)));
    return withState(new TextDecoder().decode(text));
  }
  return withState(JSON.stringify(mutator.json(state)));
}

function run(
  name: string,
  codes: readonly ErrorCode[],
  options: Pick<FuzzOptions, 'mutate'> & { read(file: string): Promise<unknown> },
) {
  const file = join(folder, name);
  return fuzz({
    runs: kRuns,
    seed: 0,
    mutate: options.mutate,
    read: async (bytes) => {
      await writeFile(file, bytes);
      try {
        await options.read(file);
      } catch (error) {
        expect((error as Error).message).toContain(name);
        throw error;
      }
    },
    codes,
    allocationLimit: () => 2 ** 24,
  });
}

it(`resume survives ${kRuns} mutated checkpoints`, { timeout: 120_000 }, async () => {
  const { model, trainer } = make();
  const codes = ['ERR_FORMAT', 'ERR_STATE_DICT', 'ERR_OPTION'] as const;
  await run('mutated.safetensors', codes, {
    mutate,
    read: async (file) => {
      const before = [trainer.step, trainer.best, ...(await model.values())];
      try {
        await trainer.resume(file);
      } catch (error) {
        expect([trainer.step, trainer.best, ...(await model.values())]).toEqual(before);
        throw error;
      }
    },
  });
});

it(`readConfig survives ${kRuns} mutated configurations`, { timeout: 120_000 }, async () => {
  const config: Json = {
    version: 1,
    model: { version: 1, patchSize: 4, hiddenDim: [8, 8], kernelSize: 3, peephole: false },
    data: { kind: 'frames', inputLength: 3, targetLength: 2, crop: [8, 8], flip: 'both' },
    loss: 'mse',
    optimizer: { kind: 'adam', lr: 0.01, betas: [0.9, 0.999] },
    schedule: { kind: 'cosine', warmup: 2 },
    teacherForcing: { from: 1, to: 0, steps: 5 },
    initialization: { kind: 'xavier', gain: 1.5 },
    epochs: 2,
    validateEvery: 3,
    patience: 4,
  };
  const encode = (text: string) => new TextEncoder().encode(text);
  await run('config.json', ['ERR_OPTION', 'ERR_FORMAT'], {
    mutate: (mutator) =>
      mutator.below(4) === 0
        ? mutator.bytes(encode(JSON.stringify(config)))
        : encode(JSON.stringify(mutator.json(config))),
    read: readConfig,
  });
});

it('restoreLog keeps what a mutated log has of the run, a line a step', async () => {
  const { trainer } = make();
  const reports = await drain(trainer);
  const text = new TextEncoder().encode(
    reports.map((each) => `${JSON.stringify(each)}\n`).join(''),
  );
  const run = new RunFolder(folder);
  const file = join(folder, 'log.jsonl');
  for (let seed = 0; seed < 60; seed++) {
    await writeFile(file, new Mutator(seed).bytes(text));
    await run.restoreLog(trainer);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const steps = lines.map((line) => JSON.parse(line).step);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
    expect(steps.at(-1)).toBe(reports.at(-1)!.step);
  }
});
