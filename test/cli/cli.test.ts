// Runs the built command line: npm run build:ts comes first.
import { exec, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backendInfo,
  Forecaster,
  manualSeed,
  npy,
  pgm,
  png,
  safetensors,
  saveModel,
  Tensor,
} from '../../src/index.js';
import { expectClose, expectSameBits } from '../support/numbers.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

interface Result {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

function convlstm(args: readonly string[], input?: Uint8Array, env = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env } });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
    );
    child.stdin.end(input);
  });
}

/** Expects one line on standard error that names the program, and no standard output. */
function expectFailure(result: Result, code: number, message: RegExp): void {
  expect(result.stderr).toMatch(/^convlstm: [^\n]+\n$/);
  expect(result.stderr).toMatch(message);
  expect(result.code).toBe(code);
  expect(result.stdout.length).toBe(0);
}

let folder: string;
let weights: string;
let frames: string;
let model: Forecaster;
/** The model's forecast of the frames: [3, 1, 8, 6]. */
let expected: Float32Array;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
  weights = join(folder, 'weights.safetensors');
  frames = join(folder, 'frames');
  await mkdir(frames);
  manualSeed(2);
  model = new Forecaster({ version: 1, hiddenDim: [4], patchSize: 2 });
  await saveModel(weights, model);
  const levels = (t: number) =>
    Float32Array.from({ length: 48 }, (_, i) => ((i + 5 * t) % 16) / 255);
  for (const t of [0, 1, 2, 10]) {
    await png.save(join(frames, `f${t}.png`), { data: levels(t), shape: [8, 6] });
  }
  using x = Tensor.from(
    Float32Array.from([0, 1, 2, 10].flatMap((t) => [...levels(t)])),
    [1, 4, 1, 8, 6],
  );
  using y = model.forward(x, 3);
  expected = await y.data();
});
afterAll(async () => {
  model.dispose();
  await rm(folder, { recursive: true });
});

const forecast = (input: string, out: string, ...more: string[]) => [
  'forecast',
  '--weights',
  weights,
  '--input',
  input,
  '--steps',
  '3',
  '--out',
  out,
  ...more,
];

describe('forecast', () => {
  it('reads a folder and writes .npy', async () => {
    const out = join(folder, 'out.npy');
    const result = await convlstm(forecast(frames, out));
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const { data, shape } = await npy.load(out);
    expect(shape).toEqual([3, 1, 8, 6]);
    expectClose(data, expected, 1e-6);
  });

  it('continues from the newest frames, and refuses frames of two sequences', async () => {
    const two = join(folder, 'two-sequences');
    await mkdir(two);
    const video = (value: number) => ({
      data: new Float32Array(3 * 48).fill(value),
      shape: [3, 8, 6],
    });
    await npy.save(join(two, 'a.npy'), video(0.9));
    await npy.save(join(two, 'b.npy'), video(0.2));
    const refused = await convlstm(forecast(two, join(folder, 'refused.npy')));
    expectFailure(refused, 1, /expected one sequence, got the second from .*b.npy\[0\] on; --last/);
    const [newest, alone] = [join(folder, 'newest.npy'), join(folder, 'alone.npy')];
    expect(await convlstm(forecast(two, newest, '--last', '3'))).toMatchObject({ code: 0 });
    expect(await convlstm(forecast(join(two, 'b.npy'), alone))).toMatchObject({ code: 0 });
    expectSameBits((await npy.load(newest)).data, (await npy.load(alone)).data);
  });

  it('computes on --device', async () => {
    const out = join(folder, 'javascript.npy');
    const args = forecast(frames, out, '--device', 'javascript');
    const result = await convlstm(args, undefined, { CONVLSTM_DEBUG: '1' });
    expect(result).toMatchObject({ code: 0, stderr: '' }); // the native engine would log its kernels
    expectClose((await npy.load(out)).data, expected, 1e-5);
  });

  it.skipIf(!backendInfo().binary.loaded)('computes in --precision', async () => {
    const args = forecast(frames, join(folder, 'medium.npy'), '--precision', 'medium');
    const result = await convlstm(args, undefined, { CONVLSTM_DEBUG: '1' });
    expect(result.stderr).toMatch(/^convlstm: .* medium -> /);
  });

  it.each([
    [
      'device',
      'gpu',
      1,
      /device: expected 'cpu', 'javascript', 'auto', 'cuda' or 'cuda:N', got 'gpu'/,
    ],
    ['device', 'cuda:99', 1, /device 'cuda:99' is not available/],
    ['precision', 'low', 2, /Allowed choices are highest, high, medium/],
  ] as const)('refuses --%s %s', async (name, value, code, message) => {
    const out = join(folder, 'none.gif');
    expectFailure(await convlstm(forecast(frames, out, `--${name}`, value)), code, message);
  });

  it('reads standard input and writes standard output', async () => {
    const x = { data: new Float32Array(96), shape: [2, 8, 6] };
    const result = await convlstm(forecast('-', '-'), npy.encode(x));
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const { shape } = await npy.load(result.stdout);
    expect(shape).toEqual([3, 1, 8, 6]);
  });

  it('writes PNG frames into a new folder', async () => {
    const out = join(folder, 'made', 'here');
    expect(await convlstm(forecast(frames, out))).toMatchObject({ code: 0, stderr: '' });
    expect(await readdir(out)).toEqual(['forecast-1.png', 'forecast-2.png', 'forecast-3.png']);
    const { data, shape } = await png.load(join(out, 'forecast-2.png'));
    expect(shape).toEqual([8, 6]);
    expectClose(data, expected.subarray(48, 96), 0.5 / 255 + 1e-6);
  });

  it('writes an animation with one image per frame', async () => {
    const out = join(folder, 'out.gif');
    expect(await convlstm(forecast(frames, out))).toMatchObject({ code: 0, stderr: '' });
    const bytes = await readFile(out);
    expect(bytes.toString('latin1', 0, 6)).toBe('GIF89a');
    expect(bytes.toString('latin1').split('\x21\xf9\x04').length - 1).toBe(3);
  });

  it('pads frames to whole patches and crops the forecast', async () => {
    const odd = join(folder, 'odd.pgm');
    const data = Float32Array.from({ length: 35 }, (_, i) => (i % 7) / 255);
    await pgm.save(odd, { data, shape: [7, 5] });
    const result = await convlstm(forecast(odd, '-'));
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const got = await npy.load(result.stdout);
    expect(got.shape).toEqual([3, 1, 7, 5]);
    const padded = new Float32Array(48);
    for (let y = 0; y < 7; y++) padded.set(data.subarray(5 * y, 5 * y + 5), 6 * y);
    using x = Tensor.from(padded, [1, 1, 1, 8, 6]);
    using y = model.forward(x, 3);
    using cut = y.slice([null, null, null], [null, null, null, 7, 5]);
    expectClose(got.data, await cut.data(), 1e-6);
  });

  it('takes a description file and divides images by its scale', async () => {
    const beside = join(folder, 'model.json');
    await writeFile(beside, JSON.stringify({ ...model.description, scale: 2 }));
    const [array, images] = [join(folder, 'scaled.npy'), join(folder, 'scaled')];
    for (const out of [array, images]) {
      const result = await convlstm(forecast(frames, out, '--model', beside));
      expect(result).toMatchObject({ code: 0, stderr: '' });
    }
    const { data } = await npy.load(array);
    const { data: image } = await png.load(join(images, 'forecast-1.png'));
    expectClose(
      image,
      data.subarray(0, 48).map((value) => value / 2),
      0.5 / 255 + 1e-6,
    );
  });

  it.each<[string, () => string[], RegExp]>([
    ['a missing input', () => forecast(join(folder, 'none'), '-'), /none: cannot read: ENOENT/],
    [
      'weights that are not a model',
      () => ['forecast', '--weights', main, '--input', frames, '--steps', '1', '--out', '-'],
      /header/,
    ],
    [
      'an output in a missing folder',
      () => forecast(frames, join(folder, 'no', 'out.npy')),
      /out\.npy: cannot write/,
    ],
    [
      'an output in a missing folder, before the input is read',
      () => forecast(join(folder, 'none'), join(folder, 'no', 'out.gif')),
      /out\.gif: cannot write/,
    ],
    [
      'an output folder that is a file',
      () => forecast(frames, join(frames, 'f0.png', 'x')),
      /x: cannot write: ENOTDIR/,
    ],
    [
      'a description that is not one',
      () => forecast(frames, '-', '--model', main),
      /main\.js: is not valid JSON/,
    ],
  ])('fails for %s with code 1', async (_, args, message) => {
    expectFailure(await convlstm(args()), 1, message);
  });

  it('fails for frames with other channels, and for empty input', async () => {
    const colour = npy.encode({ data: new Float32Array(3 * 48), shape: [1, 3, 8, 6] });
    expectFailure(
      await convlstm(forecast('-', '-'), colour),
      1,
      /input: expected \[1, H, W\], got \[3, 8, 6\]/,
    );
    expectFailure(
      await convlstm(forecast('-', '-'), new Uint8Array()),
      1,
      /expected PNG, JPEG, PGM, \.npy, \.npz or HDF5, got an empty file/,
    );
  });

  it('names the missing keys of the state dict on one line', async () => {
    const other = join(folder, 'other.json');
    await writeFile(other, JSON.stringify({ version: 1, hiddenDim: [4, 4], patchSize: 2 }));
    const result = await convlstm(forecast(frames, '-', '--model', other));
    expectFailure(result, 1, /does not fit: missing key cell_list\.1\.conv\.weight; missing key/);
  });

  it.each<[string, string[], RegExp]>([
    [
      'no weights',
      ['forecast', '--input', 'a', '--steps', '1', '--out', '-'],
      /required option '--weights <file>'/,
    ],
    [
      'no steps',
      ['forecast', '--weights', 'w', '--input', 'a', '--steps', '0', '--out', '-'],
      /positive integer/,
    ],
    [
      'a fraction of a step',
      ['forecast', '--weights', 'w', '--input', 'a', '--steps', '1.5', '--out', '-'],
      /positive integer/,
    ],
    [
      'an output of an unknown format',
      ['forecast', '--weights', 'w', '--input', 'a', '--steps', '1', '--out', 'a.mp4'],
      /Expected NAME\.gif, NAME\.npy, a folder for PNG frames or - /,
    ],
    ['an unknown option', ['info', '--speed', '9'], /unknown option '--speed'/],
  ])('exits with code 2 for %s', async (_, args, message) => {
    expectFailure(await convlstm(args), 2, message);
  });
});

describe('inspect', () => {
  it('shows keys, shapes, parameters, family and description', async () => {
    const { code, stdout, stderr } = await convlstm(['inspect', weights]);
    expect([code, stderr]).toEqual([0, '']);
    const text = stdout.toString();
    expect(text).toMatch(/^cell_list\.0\.conv\.weight +F32 \[16, 8, 3, 3\]$/m);
    expect(text).toMatch(/^parameters +1,188$/m);
    expect(text).toMatch(/^family +ndrplz\/ConvLSTM_pytorch, or convlstm \(a guess\)$/m);
    expect(text).toMatch(/^gate order +ifog$/m);
    expect(text).toMatch(/^model +\{"version":1,"hiddenDim":\[4\]/m);
  });

  it('prints the same as JSON', async () => {
    const { code, stdout } = await convlstm(['inspect', '--json', weights]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({
      tensors: [
        { name: 'cell_list.0.conv.weight', dtype: 'F32', shape: [16, 8, 3, 3] },
        { name: 'cell_list.0.conv.bias', dtype: 'F32', shape: [16] },
        { name: 'head.weight', dtype: 'F32', shape: [4, 4, 1, 1] },
        { name: 'head.bias', dtype: 'F32', shape: [4] },
      ],
      parameters: 1188,
      family: { gateOrder: 'ifog' },
      model: { version: 1, hiddenDim: [4], patchSize: 2 },
    });
  });

  it('reads standard input', async () => {
    const [file, piped] = [
      await convlstm(['inspect', weights]),
      await convlstm(['inspect', '-'], await readFile(weights)),
    ];
    expect(piped).toMatchObject({ code: 0, stderr: '' });
    expect(piped.stdout.equals(file.stdout)).toBe(true);
  });

  it('describes any safetensors file and exits with code 1 for others', async () => {
    const empty = join(folder, 'empty.safetensors');
    await safetensors.save(empty, {});
    const { code, stdout } = await convlstm(['inspect', empty]);
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/^parameters +0\nfamily +unknown.*\nmodel +not described\n$/);
    expectFailure(
      await convlstm(['inspect', main]),
      1,
      /main\.js: expected a header of at most \d+ bytes/,
    );
    expectFailure(await convlstm(['inspect']), 2, /missing required argument 'weights'/);
  });
});

describe('info', () => {
  it('prints the same for people and programs', async () => {
    const [people, programs] = [await convlstm(['info']), await convlstm(['info', '--json'])];
    expect([people.code, people.stderr]).toEqual([0, '']);
    const info = JSON.parse(programs.stdout.toString());
    expect(people.stdout.toString()).toMatch(new RegExp(`^convlstm +${info.version}$`, 'm'));
    expect(people.stdout.toString()).toMatch(new RegExp(`^instruction set +${info.cpu.isa} `, 'm'));
    expect(people.stdout.toString().trim().split('\n')).toHaveLength(8);
  });

  it('refuses a bad environment variable on one line', async () => {
    const result = await convlstm(['info'], undefined, { CONVLSTM_DEVICE: 'abacus' });
    expectFailure(result, 1, /abacus/);
  });
});

describe('the command itself', () => {
  it('prints help for each command', async () => {
    for (const command of [[], ['forecast'], ['inspect'], ['info'], ['build']]) {
      const { code, stdout, stderr } = await convlstm([...command, '--help']);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout.toString()).toMatch(/^Usage: convlstm/);
    }
  });

  it.skipIf(process.platform === 'win32')('tolerates a closed pipe', async () => {
    const command = promisify(exec);
    for (const args of ['--help', 'info --json', `inspect ${weights}`]) {
      const line = `"${process.execPath}" "${main}" ${args} | true; echo "\${PIPESTATUS[0]}"`;
      expect(await command(line, { shell: '/bin/bash' })).toEqual({ stdout: '0\n', stderr: '' });
    }
  });

  it('prints its version and refuses an unknown command', async () => {
    const { version } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    );
    expect((await convlstm(['--version'])).stdout.toString()).toBe(`${version}\n`);
    expectFailure(await convlstm(['predict']), 2, /unknown command 'predict'/);
    expect((await convlstm([])).code).toBe(2);
  });

  it.skipIf(process.platform === 'win32')('build names missing requirements', async () => {
    // The PATH has neither cmake nor a compiler.
    const result = await convlstm(['build'], undefined, { PATH: folder, CXX: '' });
    expectFailure(result, 1, /needs cmake .* and a C\+\+20 compiler/);
  });
});
