// Processes and worker threads end cleanly while the native thread computes.
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.js';

describe('a process that ends during a call', () => {
  it.each([
    ['exit', 7, ''],
    ['worker-exit', 7, ''],
    ['throw', 1, 'Error: thrown during a call'],
    ['reject', 1, 'Error: rejected during a call'],
  ])('%s', async (how, code, message) => {
    for (let round = 0; round < 3; round++) {
      const result = await runProgram('busy', { args: [how] });
      expect(result.signal).toBeNull();
      expect(result.exitCode).toBe(code);
      expect(result.stderr).toContain(message);
      if (message === '') expect(result.stderr).toBe('');
    }
  });

  it('waits for a pending promise at the end of the program', async () => {
    const result = await runProgram('busy', { args: ['return'] });
    expect(result).toEqual({ exitCode: 0, signal: null, stdout: '', stderr: '' });
  });
});

describe('worker threads', () => {
  it('compute the same results at once', async () => {
    const result = await runProgram('workers', { args: ['4'] });
    expect(result.stderr).toBe('');
    expect(result.exitCode).toBe(0);
    const checksums: number[] = JSON.parse(result.stdout);
    expect(checksums).toHaveLength(5);
    expect(new Set(checksums).size).toBe(1);
    expect(checksums[0]).not.toBe(0);
  });

  it('may be terminated during a call, 80 times', { timeout: 180_000 }, async () => {
    const result = await runProgram('terminate', { args: ['80'], timeoutMs: 170_000 });
    expect(result.signal).toBeNull();
    expect(result.stderr).toBe('');
    expect(JSON.parse(result.stdout)).toEqual({ terminated: 80, finite: true });
    expect(result.exitCode).toBe(0);
  });
});

it('the event loop turns while the native thread computes', async () => {
  // 168 GFLOP: hundreds of thousands of turns. A forward pass that blocks leaves one or two.
  const { exitCode, stdout } = await runProgram('event-loop');
  expect(exitCode).toBe(0);
  expect(Number(stdout)).toBeGreaterThan(20);
});
