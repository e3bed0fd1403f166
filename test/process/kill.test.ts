// SIGKILL at any moment leaves a checkpoint that loads. A run resumed from it ends with the same bits as
// an uninterrupted one.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadCheckpoint, type Tensor } from '../../src/index.js';
import { uniform } from '../support/numbers.js';
import { runProgram } from '../support/program.js';

const program = fileURLToPath(new URL('../programs/train.mjs', import.meta.url));
const kSteps = 40;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-kill-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Starts training, and kills it `milliseconds` after the first step. */
function trainUntilKilled(file: string, milliseconds: number): Promise<NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, file, String(kSteps)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.once('error', reject);
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), milliseconds));
    child.once('close', (_, signal) => resolve(signal));
  });
}

async function bitsOf(file: string): Promise<{ step: unknown; bits: Uint32Array }> {
  const { step, model } = await loadCheckpoint(file);
  const { weight } = model as unknown as { weight: Tensor };
  const bits = new Uint32Array((await weight.data()).buffer);
  weight.dispose();
  return { step, bits };
}

it('training survives SIGKILL at any moment', { timeout: 120_000 }, async () => {
  const [whole, killed] = ['whole', 'killed'].map((name) => join(folder, `${name}.safetensors`));
  const random = uniform(Date.now());
  let kills = 0;
  let before = 0;
  for (let round = 0; round < 10; round++) {
    const signal = await trainUntilKilled(killed!, 5 + 60 * random());
    if (signal === 'SIGKILL') kills++;
    if (!existsSync(killed!)) continue; // killed before the first checkpoint
    const { step } = await bitsOf(killed!);
    expect(step).toBeGreaterThanOrEqual(before);
    before = step as number;
  }
  expect(kills).toBeGreaterThan(0);
  for (const file of [whole!, killed!]) {
    const result = await runProgram(program, { args: [file, String(kSteps)] });
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  }
  expect((await bitsOf(killed!)).step).toBe(kSteps);
  expect((await bitsOf(killed!)).bits).toEqual((await bitsOf(whole!)).bits);
});
