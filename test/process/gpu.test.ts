// GPU memory over long streams, worker threads on one device, and running out of memory. Skipped without
// a GPU, or failed with CONVLSTM_REQUIRE_CUDA=1.
import { describe, expect, it } from 'vitest';
import { backendInfo, Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { runProgram } from '../support/program.js';

const gpu = devices.find((device) => device.startsWith('cuda'));
const required = process.env['CONVLSTM_REQUIRE_CUDA'] === '1';
const env = { CONVLSTM_DEVICE: 'cuda' };

describe.skipIf(!gpu && !required)('a GPU', () => {
  it('is available', () => {
    expect(backendInfo().cuda.reason).toBe('');
  });

  it.each([
    ['stream', 10_000],
    ['train', 500],
  ])('memory does not grow: %s, %i times', { timeout: 300_000 }, async (what, count) => {
    const { exitCode, stdout, stderr } = await runProgram('leak', {
      args: [what, String(count)],
      env,
      nodeArgs: ['--expose-gc'],
      timeoutMs: 280_000,
    });
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    const { growth, growthOnGpus } = JSON.parse(stdout);
    expect(growth).toBeLessThan(24 * 2 ** 20);
    expect(growthOnGpus).toBeLessThanOrEqual(2 ** 16);
  });

  it('gives worker threads the same results at once', async () => {
    const result = await runProgram('workers', { args: ['4'], env });
    expect(result.stderr).toBe('');
    expect(result.exitCode).toBe(0);
    const checksums: number[] = JSON.parse(result.stdout);
    expect(checksums).toHaveLength(5);
    expect(new Set(checksums).size).toBe(1);
  });

  it.each(['exit', 'worker-exit'])('the process ends during a call: %s', async (how) => {
    for (let round = 0; round < 3; round++) {
      const result = await runProgram('busy', { args: [how], env });
      expect(result).toEqual({ exitCode: 7, signal: null, stdout: '', stderr: '' });
    }
  });

  it('survives worker threads that are terminated during a call', {
    timeout: 180_000,
  }, async () => {
    const result = await runProgram('terminate', { args: ['20'], env, timeoutMs: 170_000 });
    expect(result.stderr).toBe('');
    expect(JSON.parse(result.stdout)).toEqual({ terminated: 20, finite: true });
    expect(result.exitCode).toBe(0);
  });

  it('names the requested and the free bytes when memory runs out, and continues', async () => {
    const huge = Tensor.ones([2 ** 20, 2 ** 20], { device: 'cuda' });
    await expect(huge.sum().data()).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: expect.stringMatching(
        /cuda:0: out of memory when asked for 4398046511104 bytes, \d+ of \d+ bytes are free/,
      ),
    });
    expect([...(await Tensor.ones([3], { device: 'cuda' }).add(1).data())]).toEqual([2, 2, 2]);
  });
});
