// Runs the built command line: npm run build:ts comes first.
import { spawn } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCheckpoint, loadModel, MovingMnist, npy, png, Tensor } from '../../src/index.js';
import { type ProgramResult, runProgram } from '../support/program.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const convlstm = (...args: string[]): Promise<ProgramResult> => runProgram(main, { args });

/** Expects a line that names the program. */
function expectFailure(result: ProgramResult, exitCode: number, message: RegExp): void {
  expect(result.stderr.trim().split('\n').at(-1)).toMatch(/^convlstm: /);
  expect(result.stderr).toMatch(message);
  expect(result.exitCode).toBe(exitCode);
}

const settings = {
  version: 1,
  model: { version: 1, patchSize: 4, hiddenDim: [4] },
  data: { kind: 'frames', inputLength: 3, targetLength: 2 },
  loss: 'bce',
  optimizer: { kind: 'adam', lr: 0.02 },
  schedule: { kind: 'one-cycle' },
  teacherForcing: { from: 1, to: 0 },
  epochs: 4,
  batchSize: 4,
  clipNorm: 1,
  initialization: { headBias: null },
  reportEvery: 2,
  checkpointEvery: 1,
};

let folder: string;
let data: string;
let config: string;
const run = (name: string) => join(folder, name);

/** Writes sequences of 8 frames of a moving square. */
async function writeFrames(part: string, sequences: number, seed: number): Promise<void> {
  const digits = { data: new Uint8Array(25).fill(255), shape: [1, 5, 5] };
  const source = new MovingMnist(digits, {
    size: 12,
    numDigits: 1,
    frames: 8,
    speed: [1, 2],
    seed,
  });
  for (let n = 0; n < sequences; n++) {
    const { data: frames } = source.sequence(n);
    const place = join(data, part, `s${n}`);
    await mkdir(place, { recursive: true });
    for (let t = 0; t < 8; t++) {
      const frame = { data: frames.subarray(144 * t, 144 * (t + 1)), shape: [12, 12] };
      await png.save(join(place, `${t}.png`), frame);
    }
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-train-'));
  data = join(folder, 'data');
  config = join(folder, 'model.json');
  await writeFrames('train', 4, 1);
  await writeFrames('validation', 1, 2);
  await writeFrames('test', 2, 3);
  await writeFile(config, JSON.stringify(settings));
});
afterAll(() => rm(folder, { recursive: true }));

describe('train', () => {
  it('writes model, checkpoint, curve, log and report', async () => {
    const result = await convlstm('train', '--config', config, '--data', data, '--out', run('a'));
    expect(result.stderr).toMatch(
      /^16 windows of 3 \+ 2 frames \[1, 12, 12\]; 16 steps of batch 4; [\d,]+ parameters; .+; about 1 MiB a step beside the weights\nstep 2\/16, epoch 1, loss /,
    );
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toMatch(/^16 steps, best validation [\d.]+ at step \d+; the model is /);
    expect((await readdir(run('a'))).sort()).toEqual([
      'checkpoint.safetensors',
      'checkpoint.svg',
      'config.json',
      'log.jsonl',
      'model.safetensors',
      'report.html',
    ]);
    const log = (await readFile(join(run('a'), 'log.jsonl'), 'utf8')).trim().split('\n');
    const reports = log.map((line) => JSON.parse(line));
    expect(reports.map(({ step }) => step)).toEqual([2, 4, 6, 8, 10, 12, 14, 16]);
    expect(reports.filter(({ validation }) => validation !== null)).toHaveLength(4);
    expect(reports.at(-1).loss).toBeLessThan(reports[0].loss);
    const html = await readFile(join(run('a'), 'report.html'), 'utf8');
    expect(html).toContain('done, 16 of 16 steps, epoch 4');
    expect(html.match(/<img /g)).toHaveLength(3);
    expect(html.match(/<polyline /g)).toHaveLength(3);
    expect(html).toContain('&quot;hiddenDim&quot;');
    using model = await loadModel(join(run('a'), 'model.safetensors'));
    expect(model.description.patchSize).toBe(4);
  });

  it('takes --device, and --precision before that of the configuration', async () => {
    const options = ['--device', 'javascript', '--precision', 'high'];
    const args = ['--config', config, '--data', data, '--out', run('precise')];
    expect(await convlstm('train', ...args, ...options)).toMatchObject({ exitCode: 0 });
    const [written, html] = await Promise.all(
      ['config.json', 'report.html'].map((name) => readFile(join(run('precise'), name), 'utf8')),
    );
    expect(JSON.parse(written!).precision).toBe('high');
    expect(html).toMatch(/convlstm [\d.]+, javascript</);
  });

  it('resumes after SIGTERM and ends with the bits of an uninterrupted run', async () => {
    const args = ['train', '--config', config, '--data', data, '--out', run('b'), '--json'];
    const child = spawn(process.execPath, [main, ...args]);
    let [stdout, stderr] = ['', ''];
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stdout.once('data', () => child.kill('SIGTERM'));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^convlstm: stopped after step \d+ of 16; --resume \S+ continues\n$/);
    const { step } = JSON.parse(stdout.trim().split('\n').at(-1)!);
    expect(step).toBeLessThan(16);
    // Unfinished files of a killed run are removed.
    await writeFile(join(run('b'), '.convlstm-0.tmp'), 'half');
    await appendFile(join(run('b'), 'log.jsonl'), '{"epoch":1,"st');
    const result = await convlstm('train', '--resume', run('b'), '--data', data, '--json');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    const later = result.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).step);
    expect(later[0]).toBeGreaterThan(step);
    expect(later.at(-1)).toBe(16);
    const [whole, resumed] = await Promise.all(
      ['a', 'b'].map((name) => loadCheckpoint(join(run(name), 'checkpoint.safetensors'))),
    );
    for (const part of ['model', 'position', 'random', 'best', 'schedule'] as const) {
      expect(await plain(resumed![part])).toEqual(await plain(whole![part]));
    }
    const log = (await readFile(join(run('b'), 'log.jsonl'), 'utf8')).trim().split('\n');
    const steps = log.map((line) => JSON.parse(line).step);
    expect(steps).toEqual([...new Set(steps)].sort((x, y) => x - y));
    expect(await readdir(run('b'))).not.toContain('.convlstm-0.tmp');
  });

  it('treats two signals at once as one', async () => {
    const slow = join(folder, 'slow.json');
    const wide = { version: 1, patchSize: 1, hiddenDim: [128] };
    await writeFile(slow, JSON.stringify({ ...settings, model: wide, reportEvery: 1 }));
    const args = ['train', '--config', slow, '--data', data, '--out', run('twice')];
    const child = spawn(process.execPath, [main, ...args]);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stderr.on('data', (text: string) => {
      if (!text.includes('step 1/')) return;
      child.kill('SIGINT');
      setTimeout(() => child.kill('SIGINT'), 10);
    });
    const ending = await new Promise((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    );
    expect(ending).toEqual({ code: 1, signal: null });
    expect(stderr).toMatch(/convlstm: stopped after step \d+ of 16; --resume \S+ continues\n$/);
  });

  it.each(['SIGHUP', 'SIGTERM', 'SIGINT'] as const)(
    'ends with a checkpoint on %s, and resumes',
    async (signal) => {
      const long = join(folder, 'long.json');
      await writeFile(long, JSON.stringify({ ...settings, epochs: 400, checkpointEvery: 1e6 }));
      const out = run(signal);
      const child = spawn(process.execPath, [
        ...[main, 'train', '--config', long, '--data', data, '--out', out],
      ]);
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
        if (text.includes('step 2/')) child.kill(signal);
      });
      const code = await new Promise((resolve) => child.once('close', resolve));
      expect(stderr).toMatch(/convlstm: stopped after step \d+ of 1600; --resume \S+ continues\n$/);
      expect(code).toBe(1);
      const { step } = await loadCheckpoint(join(out, 'checkpoint.safetensors'));
      expect(stderr).toContain(`after step ${step} of`);
      const report = await readFile(join(out, 'report.html'), 'utf8');
      expect(report).toContain(`stopped, ${step} of 1600 steps`);
    },
  );

  it('says in the report of a killed run when it was written', async () => {
    const long = join(folder, 'long.json');
    await writeFile(long, JSON.stringify({ ...settings, epochs: 400, validateEvery: 1 }));
    const args = ['train', '--config', long, '--data', data, '--out', run('dead')];
    const child = spawn(process.execPath, [main, ...args]);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('step 3/')) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.once('close', resolve));
    const report = await readFile(join(run('dead'), 'report.html'), 'utf8');
    expect(report).toMatch(/as of \d{4}-\d\d-\d\dT[\d:]+Z, not ended, \d+ of 1600 steps/);
  });

  it('says why it failed, with workers too', async () => {
    const place = join(folder, 'unusable');
    const frames = {
      data: new Float32Array(8 * 144).fill(Number.POSITIVE_INFINITY),
      shape: [8, 12, 12],
    };
    await mkdir(join(place, 'train'), { recursive: true });
    await npy.save(join(place, 'train', 'frames.npy'), frames);
    const several = join(folder, 'several.json');
    await writeFile(several, JSON.stringify({ ...settings, workers: 2, loss: 'mse' }));
    for (let round = 0; round < 4; round++) {
      const result = await convlstm(
        ...['train', '--config', several, '--data', place, '--out', run('unusable')],
      );
      expectFailure(result, 1, /missing ones alone, first in \S*frames\.npy/);
    }
  });

  it('ends with a checkpoint when its reader closes the pipe', async () => {
    const long = join(folder, 'long.json');
    await writeFile(long, JSON.stringify({ ...settings, epochs: 400 }));
    const args = ['train', '--config', long, '--data', data, '--out', run('piped'), '--json'];
    const child = spawn(process.execPath, [main, ...args]);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(stderr).toMatch(/^convlstm: stopped after step \d+ of 1600; --resume \S+ continues\n$/);
    expect(code).toBe(1);
    const { step } = await loadCheckpoint(join(run('piped'), 'checkpoint.safetensors'));
    expect(stderr).toContain(`after step ${step} of`);
  });

  it('loses no step to an unreadable frame and resumes once it is readable', async () => {
    const place = join(folder, 'damaged');
    await cp(data, place, { recursive: true });
    const frame = join(place, 'train', 's3', '7.png');
    const bytes = await readFile(frame);
    await writeFile(frame, bytes.subarray(0, 40));
    const seldom = join(folder, 'seldom.json');
    await writeFile(seldom, JSON.stringify({ ...settings, checkpointEvery: 100 }));
    const first = await convlstm('train', '--config', seldom, '--data', place, '--out', run('e'));
    expectFailure(first, 1, /^convlstm: sample \d+: \S+7\.png: is a damaged PNG file$/m);
    await writeFile(frame, bytes);
    const second = await convlstm('train', '--resume', run('e'), '--data', place);
    expect(second.exitCode).toBe(0);
    const [whole, resumed] = await Promise.all(
      ['a', 'e'].map((name) => loadCheckpoint(join(run(name), 'checkpoint.safetensors'))),
    );
    expect(await plain(resumed!['model'])).toEqual(await plain(whole!['model']));
  });

  it('writes the best model after a kill just before its write', async () => {
    const { best, step } = await loadCheckpoint(join(run('a'), 'checkpoint.safetensors'));
    expect(best).toMatchObject({ step });
    await cp(run('a'), run('killed'), { recursive: true });
    await rm(join(run('killed'), 'model.safetensors'));
    const result = await convlstm('train', '--resume', run('killed'), '--data', data, '--json');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    const [whole, late] = await Promise.all(
      ['a', 'killed'].map((name) => readFile(join(run(name), 'model.safetensors'))),
    );
    expect(late!.equals(whole!)).toBe(true);
  });

  it('resumes into another folder with another configuration', async () => {
    const longer = join(folder, 'longer.json');
    await writeFile(
      longer,
      JSON.stringify({ ...settings, schedule: { kind: 'constant' }, epochs: 5 }),
    );
    const args = ['--resume', run('a'), '--config', longer, '--data', data, '--out', run('c')];
    const result = await convlstm('train', ...args, '--json');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(result.stdout.trim().split('\n').at(-1)!).step).toBe(20);
    const { step } = await loadCheckpoint(join(run('a'), 'checkpoint.safetensors'));
    expect(step).toBe(16);
    // The best model so far is copied.
    using model = await loadModel(join(run('c'), 'model.safetensors'));
    expect(model.description.patchSize).toBe(4);
    const done = await convlstm('train', '--resume', run('a'), '--data', data, '--out', run('d'));
    expect(done.stdout).toMatch(/^16 steps, best validation /);
    const models = ['a', 'd'].map((name) => readFile(join(run(name), 'model.safetensors')));
    expect(await models[1]).toEqual(await models[0]);
  });

  it.each<[string, string[], number, RegExp]>([
    ['no data', ['--config', 'CONFIG', '--out', 'x'], 2, /--data <folder>' not specified/],
    ['no out', ['--config', 'CONFIG', '--data', 'DATA'], 2, /--out is needed/],
    ['no config', ['--data', 'DATA', '--out', 'x'], 2, /--config is needed/],
    [
      'a folder with a run',
      ['--config', 'CONFIG', '--data', 'DATA', '--out', 'RUN'],
      1,
      /a: holds a run/,
    ],
    ['no run', ['--resume', 'nowhere', '--data', 'DATA'], 1, /config\.json: cannot read/],
    ['no frames', ['--config', 'CONFIG', '--data', 'nowhere', '--out', 'x'], 1, /nowhere: cannot/],
    [
      'not JSON',
      ['--config', 'PNG', '--data', 'DATA', '--out', 'x'],
      1,
      /0\.png: is not valid JSON/,
    ],
  ])('fails with one line: %s', async (_, args, code, message) => {
    const places: Record<string, string> = {
      CONFIG: config,
      DATA: data,
      RUN: run('a'),
      PNG: join(data, 'train', 's0', '0.png'),
    };
    const result = await convlstm('train', ...args.map((arg) => places[arg] ?? arg));
    expectFailure(result, code, message);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
  });

  const { model } = settings;
  /** Trains 24 frames of `values` and returns what was printed. */
  const trainOn = async (
    name: string,
    values: (i: number) => number,
    shape: number[],
    fields = {},
  ) => {
    const place = join(folder, `${name}-data`);
    await mkdir(place, { recursive: true });
    const size = shape.reduce((product, length) => product * length);
    await npy.save(join(place, 'radar.npy'), {
      data: Float32Array.from({ length: size }, (_, i) => values(i)),
      shape,
    });
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify({ ...settings, epochs: 1, loss: 'mse', ...fields }));
    return convlstm('train', '--config', file, '--data', place, '--out', run(name), '--json');
  };

  it('trains frames that patches do not divide', async () => {
    const result = await trainOn('padded', (i) => (i % 7) / 7, [24, 15, 13]);
    expect(result).toMatchObject({
      exitCode: 0,
      stderr: expect.not.stringContaining('warning: radar'),
    });
  });

  it('gives missing values no weight, and names their file', async () => {
    const gap = 21 * 144 + 5;
    const nan = await trainOn('gap', (i) => (i === gap ? NaN : (i % 7) / 7), [24, 12, 12]);
    expect(nan.exitCode).toBe(0);
    expect(nan.stderr).toMatch(/warning: .*radar\.npy .* has missing values/);
    const given = await trainOn('given', (i) => (i === gap ? -9999 : (i % 7) / 7), [24, 12, 12], {
      model: { ...model, missing: -9999 },
    });
    expect(given.exitCode).toBe(0);
    const losses = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).loss);
    expect(losses(given.stdout)).toEqual(losses(nan.stdout));
  });

  it.each([
    [255, /radar\.npy .* has 255: set "scale": 255 in model/],
    [-1, /radar\.npy .* has -1: set "missing": -1 in model/],
  ])('refuses bce for a value of %d', async (value, message) => {
    const result = await trainOn(`bce${value}`, (i) => (i % 11 ? 0 : value), [24, 12, 12], {
      loss: 'bce',
    });
    expectFailure(result, 1, message);
  });

  it.each<[string, object, string]>([
    ['wrong', { optimizer: { kind: 'adam', lr: '1' } }, 'optimizer.lr: expected a number above 0'],
    // Checks that need the data.
    ['16 steps', { schedule: { kind: 'cosine', warmup: 16 } }, 'schedule.warmup: expected fewer'],
    ['16 windows', { batchSize: 17 }, 'batchSize: expected at most the 16 sequences'],
    ['16 batches', { accumulate: 17 }, 'accumulate: expected at most the 16 batches'],
    ['grey frames', { model: { ...model, channels: 3 } }, 'model.channels: expected 1'],
    [
      'other pixels',
      { model: { ...model, peephole: 'spatial', imageSize: [16, 12] } },
      'model.imageSize: expected that of frames of [12, 12], got [16, 12]',
    ],
    [
      'few pixels',
      { loss: 'ssim', data: { ...settings.data, crop: [8, 8] } },
      "loss: expected another than 'ssim', which needs 11 by 11 pixels, for frames of [8, 8]",
    ],
    ['a small crop', { data: { ...settings.data, crop: [16, 8] } }, 'crop: expected at most'],
  ])('names the wrong field of a configuration: %s', async (_, fields, message) => {
    const wrong = join(folder, 'wrong.json');
    await writeFile(wrong, JSON.stringify({ ...settings, ...fields }));
    const result = await convlstm('train', '--config', wrong, '--data', data, '--out', 'x');
    expect(result.stderr).toContain(`convlstm: ${wrong}: ${message}`);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
    expect(result.exitCode).toBe(1);
  });

  it.each([
    ['validateEvery', { validateEvery: 3 }],
    ['patience', { patience: 3 }],
    ['schedule.kind', { schedule: { kind: 'plateau' } }],
  ])('refuses %s without validation data', async (field, fields) => {
    const wrong = join(folder, 'wrong.json');
    await writeFile(wrong, JSON.stringify({ ...settings, ...fields }));
    const place = join(data, 'train');
    const result = await convlstm('train', '--config', wrong, '--data', place, '--out', 'x');
    expectFailure(
      result,
      1,
      new RegExp(`wrong\\.json: ${field}: expected .* without a validation folder`),
    );
  });

  it('names the line of malformed JSON', async () => {
    const wrong = join(folder, 'wrong.json');
    await writeFile(wrong, '{\n  "version": 1,\n  "epochs": 3,\n}\n');
    const result = await convlstm('train', '--config', wrong, '--data', data, '--out', 'x');
    expectFailure(result, 1, /wrong\.json: is not valid JSON: line 4$/m);
  });
});

/** The bits of tensors. */
async function plain(value: unknown): Promise<unknown> {
  if (value instanceof Tensor) return [...new Uint32Array((await value.data()).buffer)];
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(async ([name, entry]) => [name, await plain(entry)]);
  return Object.fromEntries(await Promise.all(entries));
}

describe('evaluate', () => {
  it('scores a run by lead time', async () => {
    const result = await convlstm('evaluate', '--run', run('a'), '--data', data);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(result.stdout).toMatch(/^8 sequences\n/);
    expect(result.stdout.match(/^\+\d /gm)).toHaveLength(2);
    expect(result.stdout).toMatch(/^mean( +[\d.]+){7}$/m);
  });

  it('prints JSON scores of --samples sequences', async () => {
    const args = ['--weights', join(run('a'), 'model.safetensors'), '--config', config];
    const scored = await convlstm('evaluate', ...args, '--data', data, '--samples', '3', '--json');
    expect(scored).toMatchObject({ exitCode: 0, stderr: '' });
    const { sequences, model, persistence } = JSON.parse(scored.stdout);
    expect(sequences).toBe(3);
    for (const scores of [model, persistence]) {
      expect(Object.keys(scores)).toEqual([
        'squaredError',
        'absoluteError',
        'crossEntropy',
        'ssim',
        'meanAbsoluteError',
      ]);
      expect(scores.squaredError).toHaveLength(2);
    }
    // A 5x5 square moves by at most 2 pixels per frame: persistence is wrong along its border.
    expect(persistence.squaredError[0]).toBeGreaterThan(4);
    expect(persistence.squaredError[0]).toBeLessThan(40);
  });

  it('scores whole frames of other sizes, without their missing pixels', async () => {
    const place = join(folder, 'odd', 'test');
    await mkdir(place, { recursive: true });
    const frames = new Float32Array(6 * 18 * 13).fill(0.25);
    frames.subarray(4 * 18 * 13).fill(0.75, 0, 100); // the targets' first 100 pixels
    frames.fill(NaN, 5 * 18 * 13); // nothing is known of the last frame
    frames[4 * 18 * 13] = NaN;
    await npy.save(join(place, 'frames.npy'), { data: frames, shape: [6, 18, 13] });
    const args = ['--run', run('a'), '--data', join(folder, 'odd'), '--json'];
    const scored = await convlstm('evaluate', ...args);
    expect(scored).toMatchObject({ exitCode: 0, stderr: '' });
    const { persistence } = JSON.parse(scored.stdout);
    // Two windows: targets 3, 4 and 4, 5; frame 4 has 233 known pixels, 99 of them off by 0.5.
    expect(persistence.squaredError[0]).toBeCloseTo((99 * 0.25) / 2, 5);
    expect(persistence.meanAbsoluteError[1]).toBeCloseTo((99 * 0.5) / 233, 5);
  });

  it.each<[string, string[], number, RegExp]>([
    ['neither run nor weights', [], 2, /--run is needed, or --config and --weights/],
    ['no run', ['--run', 'nowhere'], 1, /cannot read/],
    ['half a sample', ['--run', 'x', '--samples', '0.5'], 2, /Expected a positive integer/],
  ])('fails with one line: %s', async (_, args, code, message) => {
    expectFailure(await convlstm('evaluate', ...args, '--data', data), code, message);
  });
});
