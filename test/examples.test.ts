// Runs the programs in examples/ against what `npm run build:ts` built.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { backendInfo, loadModel, MovingMnist, png } from '../src/index.js';
import { runProgram } from './support/program.js';

const { binary, device } = backendInfo();
/** Plain JavaScript takes minutes to train what the engine does in seconds. */
const native = binary.loaded && device !== 'javascript';

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
  const out = await mkdtemp(path.join(tmpdir(), 'convlstm-demo-'));
  const count = native ? 32 : 4;
  const text = await output('moving-mnist/demo.mjs', ['--sequences', String(count), '--out', out]);
  const [squared, persistence] = /^mean +([\d.]+) +([\d.]+) +[\d.]+ +[\d.]+$/m
    .exec(text)!
    .slice(1)
    .map(Number);
  // 98.7 and 284.3 over the 256 sequences of the model's page.
  expect(squared).toBeGreaterThan(80);
  expect(squared).toBeLessThan(130);
  expect(persistence).toBeGreaterThan(2 * squared!);
  expect(text.match(/^\+\d+ /gm)).toHaveLength(10);
  expect((await png.load(path.join(out, 'moving-mnist.png'))).shape).toEqual([1562, 1302]);
  const animation = await readFile(path.join(out, 'moving-mnist.gif'));
  expect(animation.toString('latin1').split('\x21\xf9\x04').length - 1).toBe(20);
  await rm(out, { recursive: true });
});

it.runIf(native)('truncated-bptt: learns a video without an end', async () => {
  const text = await output('truncated-bptt/train.mjs', ['--frames', '800']);
  expect(text).toMatch(/^80 windows of 10 frames, the state carried on$/m);
  const [first, last] = ['first', 'last'].map((part) =>
    number(text, new RegExp(`^loss of the ${part} five ([\\d.]+)$`, 'm')),
  );
  expect(last).toBeLessThan(first! / 2);
});

it('own-frames: a folder of images becomes a model for the command line', {
  timeout: 300_000,
}, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'convlstm-own-frames-'));
  const digits = { data: new Uint8Array(36).fill(255), shape: [1, 6, 6] };
  const source = new MovingMnist(digits, { size: 16, numDigits: 1, frames: 20, speed: [1, 2] });
  const { data } = source.sequence(0);
  for (let t = 0; t < 20; t++) {
    const frame = { data: data.subarray(256 * t, 256 * (t + 1)), shape: [16, 16] };
    await png.save(path.join(folder, `frame-${t}.png`), frame);
  }
  const out = path.join(folder, 'out', 'model.safetensors');
  await mkdir(path.dirname(out));
  const file = fileURLToPath(new URL('../examples/own-frames/train.mjs', import.meta.url));
  const args = [folder, '--frames', '4', '--epochs', '2', '--out', out];
  const { exitCode, stdout, stderr } = await runProgram(file, { args });
  expect(stderr).toMatch(/^step 4\/4, epoch 2, loss /m);
  expect(exitCode).toBe(0);
  expect(stdout).toBe(`4 steps over 13 windows; wrote ${out}\n`);
  using model = await loadModel(out);
  expect(model.description.hiddenDim).toEqual([32, 32]);
  await rm(folder, { recursive: true });
});

it.runIf(native)(
  'video-classification: directions and speeds are told apart',
  { timeout: 300_000 },
  async () => {
    const file = fileURLToPath(
      new URL('../examples/video-classification/classify.mjs', import.meta.url),
    );
    const args = ['--test', '400'];
    const { exitCode, stdout } = await runProgram(file, { args, timeoutMs: 280_000 });
    expect(exitCode).toBe(0);
    // 99.8% of 2,000 videos: nothing but the test is shortened.
    expect(number(stdout, /^([\d.]+)% of 400 test videos right after \d+ s$/m)).toBeGreaterThan(95);
  },
);
