// The tables that bench/gpu/report.mjs makes from measurements.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runProgram } from './support/program.js';

it('compares each precision with its fastest PyTorch variant, and times with the floors', async () => {
  const ours = [
    { workload: 'W1', precision: 'highest', variant: 'small', ms: 0.1 },
    { workload: 'W1', precision: 'highest', variant: 'chosen', ms: 0.2, flops: 12e9, bytes: 3e7 },
    { workload: 'W1', kind: 'training', precision: 'high', ms: 1 },
  ];
  const theirs = [
    { limit: 'tf32', tflops: 400 },
    { limit: 'memory', gbs: 2000 },
    { workload: 'W1', precision: 'float32', variant: 'eager', ms: 0.9 },
    { workload: 'W1', precision: 'float32', variant: 'graph', ms: 0.7 },
    { workload: 'W1', precision: 'float32', variant: 'compile' },
    { workload: 'W1', precision: 'tf32', variant: 'graph', ms: 0.01 },
    { workload: 'W1', kind: 'training', precision: 'tf32', variant: 'eager', ms: 2.5 },
  ];
  const folder = mkdtempSync(path.join(tmpdir(), 'gpu-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const log = (lines: object[]) =>
    ['warming up', ...lines.map((line) => JSON.stringify(line))].join('\n');
  const hosts = theirs.splice(-1);
  writeFileSync(path.join(folder, 'bench.log'), `${log(ours)}\n{"workload": "W3", "prec`);
  writeFileSync(path.join(folder, 'pytorch.log'), log([{ gpu: 'H100' }, ...theirs]));
  writeFileSync(path.join(folder, 'pytorch-host.log'), log(hosts));
  const { stdout, stderr } = await runProgram('./bench/gpu/report.mjs', { args: [folder] });
  expect(stderr).toBe('');
  const [gpu, ...rows] = stdout.trimEnd().split('\n');
  expect(gpu).toBe('{"gpu":"H100"}');
  expect(rows).toContain(
    '| W1 | `highest` | 0.2000 | 0.7000 | graph | 3.50x | 3x | 0.0900 | 0.0150 | 45% |',
  );
  expect(rows).toContain(
    '| W1, training step | `high` | 1.0000 | 2.5000 | eager | 2.50x | 2x | - | - | - |',
  );
  expect(rows).toContain('| W3 | `medium` | - | - | - | - | 3x | - | - | - |');
  expect(rows).toHaveLength(2 + 10 * 3);
});
