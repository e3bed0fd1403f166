// scripts/gpu-run.sh with fake tools and no GPU: time limits, missing tools, failures.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

/** Runs it in a folder with these programs, each a script for sh. */
function run(programs: Record<string, string>, what: readonly string[], seconds?: number) {
  const folder = mkdtempSync(path.join(tmpdir(), 'gpu-run-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [file, lines] of Object.entries(programs)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  }
  cpSync('scripts/gpu-run.sh', path.join(folder, 'scripts/gpu-run.sh'));
  const result = spawnSync('bash', [path.join(folder, 'scripts/gpu-run.sh'), 'report', ...what], {
    encoding: 'utf8',
    env: {
      PATH: `${folder}/tools:/usr/bin:/bin`,
      ...(seconds === undefined ? {} : { TIME_LIMIT: String(seconds) }),
    },
  });
  const log = (name: string) => readFileSync(path.join(folder, 'report', `${name}.log`), 'utf8');
  return { ...result, log };
}

const linux = process.platform === 'linux';

it.runIf(linux)('cuts off a step at its limit and keeps its output', () => {
  const { status, stdout, log } = run(
    {
      // Prints the limit it is given and waits 3 s.
      'tools/timeout': 'echo "limit $2"; shift 2; exec /usr/bin/timeout 3 "$@"',
      'tools/compute-sanitizer': 'echo "$@"; sleep 100 & wait',
      'bin/convlstm_cuda_tests': 'exit 0',
    },
    ['kernels', 'memcheck'],
    10_000,
  );
  expect(status).toBe(1);
  expect(stdout).toMatch(/^kernels +passed/m);
  expect(stdout).toMatch(/^memcheck +FAILED \(124, cut off\) in \d+ s$/m);
  expect(stdout).toMatch(/failed: memcheck\n$/);
  expect(log('memcheck')).toMatch(
    /^limit 290\n--tool memcheck --error-exitcode 9 bin\/convlstm_cuda/,
  );
});

it.runIf(linux)('names steps that were not run for lack of time', () => {
  const { status, stdout } = run({}, ['kernels', 'fault'], 4);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^kernels +NOT RUN: no time left$/m);
  expect(stdout).toMatch(/failed: kernels\nfailed: fault\n$/);
});

it.runIf(linux)('names missing tools, and continues after a failure', () => {
  const { status, stdout, log } = run(
    {
      'tools/python3': 'exit 1',
      'tools/compute-sanitizer': 'exit 9',
      'bin/convlstm_cuda_tests': 'test "$1" = --fault || { echo "no GPU: no driver"; exit 1; }',
    },
    ['kernels', 'fault', 'races', 'peers', 'peers-host'],
  );
  expect(status).toBe(1);
  expect(stdout).toMatch(/^kernels +FAILED \(1\) in \d+ s\nno GPU: no driver\nfault +passed/m);
  expect(stdout).toMatch(/^racecheck +FAILED \(9\)/m);
  expect(stdout).toMatch(/^pytorch +skipped: no PyTorch with CUDA here$/m);
  expect(stdout).toMatch(/^pytorch-host +skipped: no PyTorch with CUDA here$/m);
  expect(log('kernels')).toBe('no GPU: no driver\n');
  expect(run({}, ['everything']).status).toBe(2);
});
