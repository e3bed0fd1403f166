import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Storage } from '../binding.js';
import type { BackendInfo, Device } from '../src/index.js';
import { devices } from './support/devices.js';

// The environment is read at first use: each test imports the package afresh.
const load = async () => {
  vi.resetModules();
  return import('../src/index.js');
};

afterEach(() => vi.unstubAllEnvs());

const bad = [
  ['CONVLSTM_DEVICE', 'gpu'],
  ['CONVLSTM_THREADS', '0'],
  ['CONVLSTM_THREADS', 'all'],
] as const;

it.each(bad)('%s=%s is refused at first use, not at import', async (name, value) => {
  vi.stubEnv(name, value);
  const { backendInfo, Tensor } = await load();
  for (const use of [() => Tensor.zeros([1]), () => backendInfo()]) {
    expect(use).toThrow(expect.objectContaining({ name: 'ConvLSTMError', code: 'ERR_OPTION' }));
    expect(use).toThrow(new RegExp(`${name}: expected .*, got '${value}'`));
  }
});

/** Runs in a process of its own: the binary reads its environment once. */
const evaluate = (program: string, env: NodeJS.ProcessEnv) =>
  promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: path.dirname(import.meta.dirname),
    env: { ...process.env, ...env },
  });

describe.skipIf(!devices.includes('cpu'))('the binary', () => {
  it('checks CONVLSTM_ISA', async () => {
    const program = `
      import { Tensor } from 'convlstm';
      try { Tensor.zeros([1]); } catch ({ name, code, message }) { console.log(name, code, message); }`;
    const { stdout } = await evaluate(program, { CONVLSTM_ISA: 'sse9' });
    expect(stdout).toMatch(/^ConvLSTMError ERR_OPTION CONVLSTM_ISA: expected one of .*, got sse9/);
  });

  it('takes threads and instruction set from the environment, and says which kernel it chose', async () => {
    const program = `
      import { backendInfo, ConvLSTM, Tensor } from 'convlstm';
      const net = new ConvLSTM({ inputDim: 2, hiddenDim: 8, kernelSize: 1, batchFirst: true });
      for (let call = 0; call < 2; call++) net.forward(Tensor.ones([1, 2, 2, 4, 4])).outputs[0].dataSync();
      console.log(JSON.stringify(backendInfo()));`;
    const { stdout, stderr } = await evaluate(program, {
      CONVLSTM_THREADS: '3',
      CONVLSTM_ISA: 'portable',
      CONVLSTM_DEVICE: 'cpu',
      CONVLSTM_DEBUG: '1',
    });
    const { cpu, kernels } = JSON.parse(stdout) as BackendInfo;
    expect(cpu).toMatchObject({ threads: 3, isa: 'portable' });
    const choice = /^2->8 kernel 1x1 image 4x4 batch 1 highest -> direct f32 portable$/;
    expect(kernels).toEqual([expect.stringMatching(choice)]);
    expect(stderr).toBe(`convlstm: ${kernels[0]}\n`);
  });
});

it('CONVLSTM_DEVICE is the default device', async () => {
  vi.stubEnv('CONVLSTM_DEVICE', 'javascript');
  const { backendInfo, Tensor } = await load();
  expect(Tensor.zeros([1]).device).toBe('javascript');
  expect(backendInfo().device).toBe('javascript');
  vi.stubEnv('CONVLSTM_DEVICE', '');
  expect(Tensor.zeros([1]).device).toBe('cpu');
});

it('cuda is the first GPU: tensors of either name are on one device', async () => {
  const storage: Storage = {
    length: 1,
    disposed: false,
    data: () => Promise.resolve(new Float32Array(1)),
    dataSync: () => new Float32Array(1),
    dispose: () => {},
  };
  const { Tensor } = await load();
  const { canonicalDevice, defaultDevice } = await import('../src/backend.js');
  const { deviceOf } = await import('../src/tensor/operands.js');
  const names = ['cpu', 'javascript', 'cuda', 'cuda:0', 'cuda:1'] as const;
  expect(names.map(canonicalDevice)).toEqual(['cpu', 'javascript', 'cuda:0', 'cuda:0', 'cuda:1']);
  const on = (device: Device) => Tensor.fromStorage(storage, [1], device);
  const [short, long, other] = [on('cuda'), on('cuda:0'), on('cuda:1')];
  expect(deviceOf('add', { a: short, b: long })).toBe('cuda:0');
  expect(short.to('cuda').device).toBe('cuda:0'); // asks no GPU: it is there
  expect(short.toString()).toContain('cuda:0');
  expect(() => deviceOf('add', { a: short, b: other })).toThrow(
    `add: a is on 'cuda:0' but b is on 'cuda:1'`,
  );
  vi.stubEnv('CONVLSTM_DEVICE', 'cuda');
  expect(defaultDevice()).toBe('cuda:0');
});

it('auto is the first GPU that can be used, else the processor, which is said once', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const { backendInfo, Tensor } = await load();
  const device = devices.find((each) => each.startsWith('cuda')) ?? 'cpu';
  const x = Tensor.zeros([1], { device: 'auto' });
  expect([x, x.to('auto'), Tensor.ones([1]).to('auto')].map((each) => each.device)).toEqual([
    device,
    device,
    device,
  ]);
  vi.stubEnv('CONVLSTM_DEVICE', 'auto');
  expect(backendInfo().device).toBe(device);
  expect(Tensor.zeros([1]).device).toBe(device);
  const { reason } = backendInfo().cuda;
  const warning = [`device 'auto' is 'cpu' here: ${reason}`, 'ConvLSTMWarning'];
  expect(warn.mock.calls).toEqual(device === 'cpu' ? [warning] : []);
  warn.mockRestore();
});

it('a device that is not there says why', async () => {
  const { Tensor } = await load();
  const missing = [
    'cuda:12',
    ...(devices.includes('cuda:0') ? [] : ['cuda', 'cuda:0']),
  ] as Device[];
  for (const device of missing) {
    const action = () => Tensor.zeros([1], { device });
    expect(action).toThrow(expect.objectContaining({ code: 'ERR_DEVICE' }));
    expect(action).toThrow(`device '${device}' is not available: `);
  }
  for (const device of ['cuda:', 'cuda:-1', 'cuda:01', 'CPU', '']) {
    const action = () => Tensor.zeros([1], { device: device as 'cpu' });
    expect(action).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
    expect(action).toThrow(`device: expected 'cpu', 'javascript', 'auto', 'cuda' or 'cuda:N'`);
  }
});
