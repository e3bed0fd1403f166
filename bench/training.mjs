// node bench/training.mjs: a training step (forward, backward, Adam) of W1 and W2 against PyTorch's,
// interleaved in one run, with the same number of threads; and the peak resident size of the training
// process (Node or Python included) in its fastest variant.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PRECISIONS } from './contestants.mjs';
import { race } from './measure.mjs';
import { measureLimits } from './programs.mjs';
import { Side } from './side.mjs';
import { flops, loadLine, WORKLOADS, writeData } from './workloads.mjs';

/** Speed over PyTorch's fastest variant in the same format; `high` compares with its float32. */
const TARGETS = { highest: 2.2, high: 2.5, medium: 2 };
const MEMORY_TARGET = 0.5;
const PEAK_STEPS = 5;

const here = fileURLToPath(new URL('.', import.meta.url));
const { values: options } = parseArgs({
  options: {
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '5' },
    workloads: { type: 'string', default: 'W1,W2' },
  },
});
if (!existsSync(`${here}../dist/index.js`)) {
  process.stderr.write('dist/ is missing: run `npm run build` first\n');
  process.exit(2);
}
const log = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);

const env = {
  BENCH_THREADS: options.threads,
  CONVLSTM_THREADS: options.threads,
  OMP_NUM_THREADS: options.threads,
};
const ours = { command: [process.execPath, '--expose-gc', `${here}convlstm-training.mjs`], env };
/** @type {import('./contestants.mjs').Contestant[]} */
const contestants = PRECISIONS.map((precision) => ({
  name: `convlstm ${precision}`,
  ...ours,
  variants: [precision],
  products: /** @type {const} */ (precision === 'medium' ? 'bfloat16' : 'float32'),
}));
const python = ['python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import torch']).status === 0,
);
if (python) {
  const theirs = { command: [python, `${here}peers/pytorch-training.py`], env };
  contestants.push(
    {
      name: 'PyTorch float32',
      ...theirs,
      variants: ['eager', 'eager-nhwc', 'hoisted', 'scripted'],
      products: 'float32',
    },
    {
      name: 'PyTorch bfloat16',
      ...theirs,
      variants: ['bf16', 'bf16-nhwc', 'autocast'],
      products: 'bfloat16',
    },
  );
} else {
  log('PyTorch is left out: no python3 has it (Debian: python3-torch)');
}

const limits = measureLimits(Number(options.threads));
const folder = mkdtempSync(join(tmpdir(), 'convlstm-bench-'));
const lines = [];
try {
  for (const name of options.workloads.split(',')) {
    const workload = WORKLOADS.find((w) => w.name === name);
    if (!workload) throw new Error(`no workload ${name}`);
    writeData(workload, folder);
    const sides = new Map(
      contestants.map((c) => [c, new Side(c.command, { cwd: folder, env: c.env })]),
    );
    try {
      const rounds = Number(options.rounds);
      const results = await race(workload, sides, { folder, batchMs: 250, rounds }, log);
      const peaks = new Map();
      for (const { contestant: name, variant } of results) {
        // A fresh process: other variants' memory may not all have been released.
        const { command, env } = /** @type {import('./contestants.mjs').Contestant} */ (
          contestants.find((contestant) => contestant.name === name)
        );
        const side = new Side(command, { cwd: folder, env });
        await side.ask(...loadLine(workload, variant));
        peaks.set(name, Number(await side.ask('peak', PEAK_STEPS)));
        side.close();
      }
      for (const precision of PRECISIONS) {
        const result = results.find((r) => r.contestant === `convlstm ${precision}`);
        const peer = `PyTorch ${precision === 'medium' ? 'bfloat16' : 'float32'}`;
        const theirs = results.find((r) => r.contestant === peer);
        if (!result) continue;
        const rate = (3 * flops(workload)) / result.ms / 1e6;
        const peak = limits['f32 avx512'] ?? limits['f32 avx2'];
        const memory = peaks.get(result.contestant);
        const against = theirs
          ? `${peer} ${theirs.variant} ${theirs.ms.toFixed(0)} ms: ${(theirs.ms / result.ms).toFixed(2)}x ` +
            `(target ${TARGETS[precision]}x); peak resident ${memory} MiB against ${peaks.get(peer)}: ` +
            `${(memory / peaks.get(peer)).toFixed(2)} (target ${MEMORY_TARGET})`
          : `peak resident ${memory} MiB`;
        lines.push(
          `${name} ${precision}: ${result.ms.toFixed(1)} ms${result.clean ? '' : '*'}, ` +
            `${rate.toFixed(0)} GFLOP/s${peak ? ` (${((100 * rate) / peak).toFixed(0)}% of peak)` : ''}; ${against}`,
        );
      }
    } finally {
      for (const side of sides.values()) side.close();
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.stdout.write(
  `Training steps, ${options.threads} threads; GFLOP/s count three times the forward pass's direct ` +
    `convolutions; * marks medians that other programs disturbed\n${lines.join('\n')}\n`,
);
