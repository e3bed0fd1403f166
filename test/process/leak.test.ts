// Resident size does not grow. A leak of one output per call would be over 160 MB here.
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';

const kAllowedGrowth = 24 * 2 ** 20;

it.each([
  ['forward', 10_000],
  ['dispose', 10_000],
  ['stream', 100_000],
  ['train', 8_000],
])('%s %i times', { timeout: 300_000 }, async (what, count) => {
  const { exitCode, stdout, stderr } = await runProgram('leak', {
    args: [what, String(count)],
    nodeArgs: ['--expose-gc'],
    timeoutMs: 280_000,
  });
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout).growth).toBeLessThan(kAllowedGrowth);
});
