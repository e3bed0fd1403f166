// Runs the programs in examples/ against what `npm run build:ts` built.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { backendInfo, png } from '../src/index.js';
import { runProgram } from './support/program.js';

async function output(example: string, args: string[] = []): Promise<string> {
  const file = fileURLToPath(new URL(`../examples/${example}`, import.meta.url));
  const result = await runProgram(file, { args });
  expect(result.stderr).toBe('');
  expect(result.exitCode).toBe(0);
  return result.stdout;
}

function number(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1]);
}

it('article: the listing put right is the fused ConvLSTM', async () => {
  const text = await output('article/article.mjs');
  expect(text).toMatch(/article {2}\[ 1, 5, 4, 12, 10 \] last h \[ 1, 4, 12, 10 \]/);
  expect(text).toMatch(/states of 2 layers/);
  expect(number(text, /largest difference (.+)/)).toBeLessThan(1e-5);
  expect(number(text, /carried on, difference (.+)/)).toBeLessThan(1e-5);
  expect(number(text, /wrong order, off by (\d+)%/)).toBeGreaterThan(5);
});

it('streaming', async () => {
  const text = await output('streaming/streaming.mjs');
  expect(text).toMatch(/^10 frames seen$/m);
  expect(text).toMatch(/^5 frames forecast, mean values (0\.\d{3},?){5}$/m);
  expect(text).toMatch(/^resumed from \d+ bytes, difference 0$/m);
  expect(text).toMatch(/^6 frames through the pipeline$/m);
});

it('pytorch-weights: the numbers are PyTorch’s', async () => {
  const text = await output('pytorch-weights/load.mjs');
  expect(text).toMatch(/^cell_list\.0\.conv\.weight \[ 24, 8, 3, 3 \]$/m);
  expect(text).toMatch(/output 1,4,4,9,8/);
  expect(number(text, /from PyTorch (.+)/)).toBeLessThan(1e-5);
});

it('own-model', async () => {
  const text = await output('own-model/own-model.mjs');
  expect(text).toMatch(/^encoder\.cell_list\.1\.conv\.bias +\[ 24 \]$/m);
  expect(text).toMatch(/^forecast \[ 2, 3, 1, 16, 16 \]$/m);
  expect(text).toMatch(/^saved and loaded, difference 0$/m);
});

it('moving-mnist: the demo beats persistence and writes its pictures', {
  timeout: 300_000,
}, async () => {
  const { binary, device } = backendInfo();
  const native = binary.loaded && device !== 'javascript';
  const out = await mkdtemp(path.join(tmpdir(), 'convlstm-demo-'));
  const count = native ? 32 : 4;
  const text = await output('moving-mnist/demo.mjs', ['--sequences', String(count), '--out', out]);
  const [squared, persistence] = /^mean +([\d.]+) +([\d.]+) +[\d.]+ +[\d.]+$/m
    .exec(text)!
    .slice(1)
    .map(Number);
  // 104.6 and 287.5 over the 512 sequences the model was tested on.
  expect(squared).toBeGreaterThan(80);
  expect(squared).toBeLessThan(130);
  expect(persistence).toBeGreaterThan(2 * squared!);
  expect(text.match(/^\+\d+ /gm)).toHaveLength(10);
  expect((await png.load(path.join(out, 'moving-mnist.png'))).shape).toEqual([1562, 1302]);
  const animation = await readFile(path.join(out, 'moving-mnist.gif'));
  expect(animation.toString('latin1').split('\x21\xf9\x04').length - 1).toBe(20);
  await rm(out, { recursive: true });
});
