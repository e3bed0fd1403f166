import { afterEach, expect, it, vi } from 'vitest';

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

it('CONVLSTM_DEVICE is the default device', async () => {
  vi.stubEnv('CONVLSTM_DEVICE', 'javascript');
  const { backendInfo, Tensor } = await load();
  expect(Tensor.zeros([1]).device).toBe('javascript');
  expect(backendInfo().device).toBe('javascript');
  vi.stubEnv('CONVLSTM_DEVICE', '');
  expect(Tensor.zeros([1]).device).toBe('cpu');
});

it('a device that is not there says why', async () => {
  const { Tensor } = await load();
  for (const device of ['cuda', 'cuda:0', 'cuda:12'] as const) {
    const action = () => Tensor.zeros([1], { device });
    expect(action).toThrow(expect.objectContaining({ code: 'ERR_DEVICE' }));
    expect(action).toThrow(`device '${device}' is not available: `);
  }
  for (const device of ['cuda:', 'cuda:-1', 'cuda:01', 'CPU', '']) {
    const action = () => Tensor.zeros([1], { device: device as 'cpu' });
    expect(action).toThrow(expect.objectContaining({ code: 'ERR_DEVICE' }));
    expect(action).toThrow(`device: expected 'cpu', 'javascript', 'cuda' or 'cuda:N'`);
  }
});
