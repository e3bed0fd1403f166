// Without a binary, importing never throws, the fallback computes, and backendInfo() has the reason.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { BackendInfo } from '../src/index.js';
import { type ProgramOptions, runProgram } from './support/program.js';

const root = path.dirname(import.meta.dirname);
// Inside of the checkout, 'convlstm' resolves to this package.
const inside = path.join(root, '.cache');
mkdirSync(inside, { recursive: true });
const bare = mkdtempSync(path.join(tmpdir(), 'convlstm-bare-'));
for (const each of ['dist', 'package.json']) {
  cpSync(path.join(root, each), path.join(bare, each), { recursive: true });
}
symlinkSync(path.join(root, 'node_modules'), path.join(bare, 'node_modules'));
afterAll(() => rmSync(bare, { recursive: true, force: true }));

const program = `
import { backendInfo, ConvLSTM, Tensor } from 'convlstm';
const net = new ConvLSTM({ inputDim: 1, hiddenDim: 2, kernelSize: 3, numLayers: 1, batchFirst: true });
const y = await net.forward(Tensor.ones([1, 2, 1, 4, 4])).outputs[0].data();
let cuda;
try { net.to('cuda'); } catch (error) { cuda = [error.code, error.message]; }
console.log(JSON.stringify({ info: backendInfo(), finite: y.every(Number.isFinite), cuda }));
`;

interface Report {
  info: BackendInfo;
  finite: boolean;
  cuda: [string, string];
  stderr: string;
}

async function run(folder: string, options: ProgramOptions = {}): Promise<Report> {
  const file = path.join(folder, 'no-binary-program.mjs');
  writeFileSync(file, program);
  try {
    const { exitCode, stdout, stderr } = await runProgram(file, options);
    expect(exitCode, stderr).toBe(0);
    return { ...JSON.parse(stdout), stderr } as Report;
  } finally {
    rmSync(file);
  }
}

/** One warning, on one line. */
function expectWarning(stderr: string, reason: RegExp, cure: string): void {
  expect(stderr.match(/CONVLSTM_NO_BINARY/g)).toHaveLength(1);
  const [line] = stderr.split('\n');
  expect(line).toMatch(/plain TypeScript computes, hundreds of times slower/);
  expect(line).toMatch(reason);
  expect(line).toContain(cure);
}

it('no binary was built or packed', async () => {
  const { info, finite, cuda, stderr } = await run(bare);
  expectWarning(stderr, /No native build was found/, 'npx convlstm build');
  expect(finite).toBe(true);
  expect(info.binary).toMatchObject({ loaded: false, path: null });
  expect(info.binary.reason).toContain('No native build was found');
  expect(info.cpu.isa).toBe('javascript');
  expect(cuda[0]).toBe('ERR_DEVICE');
});

it('Node refuses addons', async () => {
  const { info, finite, stderr } = await run(inside, { nodeArgs: ['--no-addons'] });
  expectWarning(stderr, /addon/i, 'start Node without --no-addons');
  expect(finite).toBe(true);
  expect(info.binary.loaded).toBe(false);
  expect(info.binary.reason).toMatch(/addon/i);
});

it('backendInfo() alone warns of nothing', async () => {
  const file = path.join(bare, 'info.mjs');
  writeFileSync(file, "import { backendInfo } from 'convlstm'; backendInfo();");
  expect(await runProgram(file)).toMatchObject({ exitCode: 0, stderr: '' });
});

it('CONVLSTM_DEVICE=javascript needs no binary', async () => {
  const { info, finite, stderr } = await run(bare, { env: { CONVLSTM_DEVICE: 'javascript' } });
  expect(finite).toBe(true);
  expect(stderr).toBe('');
  expect(info.device).toBe('javascript');
});

it('the binary of the checkout is found', async () => {
  const { info, stderr } = await run(inside);
  expect(stderr).toBe('');
  expect(info.binary).toMatchObject({ loaded: true, reason: '' });
  expect(info.binary.version).toBe(info.version);
  expect(info.cpu.isas).toContain(info.cpu.isa);
  expect(info.cpu.isas.at(-1)).toBe('portable');
});
