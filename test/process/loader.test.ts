// However a loop over a DataLoader ends, the program goes on, and ends when it is over.
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.js';

async function outputOf(ending: string, workers: number): Promise<string> {
  const result = await runProgram('loader', {
    args: [ending, String(workers)],
    nodeArgs: ['--max-old-space-size=60'],
    timeoutMs: 60_000,
  });
  expect(result).toMatchObject({ exitCode: 0, signal: null });
  return result.stdout;
}

describe('the program goes on after', () => {
  it.each([
    ['break', ''],
    ['throw', 'undefined of the caller, input\n'],
    ['return', ''],
    ['next-return', ''],
    ['unused', ''],
    ['return-first', '{ value: undefined, done: true }\n'],
    ['dropped', ''],
    ['whole', ''],
  ])('%s', { timeout: 120_000 }, async (ending, shown) => {
    for (const workers of shown === '' && ending !== 'break' ? [0, 2] : [0, 1, 2, 2]) {
      expect(await outputOf(ending, workers)).toBe(`${shown}goes on\n`);
    }
  });

  it('return() while a sample is never ready', { timeout: 120_000 }, async () => {
    expect(await outputOf('endless', 2)).toBe('true\ngoes on\n');
    expect(await outputOf('never', 1)).toBe('true\ngoes on\n');
  });

  it.each([
    ['exit', /^ERR_IO a worker of the DataLoader failed: it ended with exit code 0$/],
    ['memory', /^ERR_IO a worker of the DataLoader failed: .*memory/],
    ['uncaught', /^ERR_IO a worker of the DataLoader failed: out of turn$/],
    ['reject', /^ERR_IO a worker of the DataLoader failed: out of turn$/],
    ['sample', /^ERR_IO sample 0: no frame$/],
    ['null', /^ERR_IO sample 0: null$/],
    [
      'missing',
      /^ERR_IO source\.module: cannot load file:\/\/\/nowhere\/dataset\.mjs: Cannot find/,
    ],
    ['syntax', /^ERR_IO source\.module: cannot load data:.*: Unexpected/],
    ['fails', /^ERR_IO source\.module: cannot load data:.*: at load$/],
    ['empty', /^ERR_OPTION source\.module: data:.* has no default export that makes a dataset/],
  ])('the failure of a worker: %s', { timeout: 120_000 }, async (ending, message) => {
    const [first, ...rest] = (await outputOf(ending, 2)).split('\n');
    expect(first).toMatch(message);
    expect(rest).toEqual(['goes on', '']);
  });
});
