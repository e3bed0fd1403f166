// SIGKILL at any moment of `convlstm train`: after --resume the run's folder is that of an uninterrupted
// run, the log included, and holds no temporary file.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { npy } from '../../src/index.js';
import { uniform } from '../support/numbers.js';
import { runProgram } from '../support/program.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-train-kill-'));
  const random = uniform(3);
  for (const part of ['train', 'validation']) {
    await mkdir(join(folder, part));
    const data = Float32Array.from({ length: 14 * 64 }, () => random());
    await npy.save(join(folder, part, 'frames.npy'), { data, shape: [14, 8, 8] });
  }
  const config = {
    version: 1,
    model: { version: 1, patchSize: 4, hiddenDim: [4] },
    data: { kind: 'frames', inputLength: 2, targetLength: 1 },
    loss: 'mse',
    epochs: 6,
    batchSize: 2,
    reportEvery: 3,
    checkpointEvery: 2,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs until `lines` lines of output and `milliseconds` more. */
function trainUntilKilled(args: string[], lines: number, milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.once('error', reject);
    let seen = 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text.split('\n').length - 1;
      if (seen >= lines) setTimeout(() => child.kill('SIGKILL'), milliseconds);
    });
    child.once('close', (_, signal) => resolve(signal === 'SIGKILL'));
  });
}

/** The log without what depends on speed. */
async function logOf(run: string): Promise<object[]> {
  const text = await readFile(join(run, 'log.jsonl'), 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { samplesPerSecond, etaSeconds, ...rest } = JSON.parse(line);
      expect([samplesPerSecond, etaSeconds].every(Number.isFinite)).toBe(true);
      return rest;
    });
}

it('leaves the run of an uninterrupted training', { timeout: 180_000 }, async () => {
  const args = (out: string) => [
    ...['train', '--config', join(folder, 'config.json'), '--data', folder],
    ...['--out', out, '--json'],
  ];
  const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
  expect(await runProgram(main, { args: args(whole) })).toMatchObject({ exitCode: 0, stderr: '' });
  const random = uniform(Date.now());
  const resume = ['train', '--resume', killed, '--data', folder, '--json'];
  let kills = 0;
  for (let round = 0; round < 8; round++) {
    const started = await readdir(killed).catch(() => [] as string[]);
    const next = started.includes('checkpoint.safetensors') ? resume : args(killed);
    if (await trainUntilKilled(next, 1 + (round % 3), 30 * random())) kills++;
  }
  expect(kills).toBeGreaterThan(0);
  const result = await runProgram(main, { args: resume });
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await logOf(killed)).toEqual(await logOf(whole));
  expect((await readdir(killed)).sort()).toEqual((await readdir(whole)).sort());
  const model = (run: string) => readFile(join(run, 'model.safetensors'));
  expect((await model(killed)).equals(await model(whole))).toBe(true);
});
