// node bench/compare.mjs FOLDER: this tree against another built checkout, for example the commit
// before a change. Forward passes and training steps are interleaved in one run.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PRECISIONS } from './contestants.mjs';
import { race } from './measure.mjs';
import { Side } from './side.mjs';
import { WORKLOADS, writeData } from './workloads.mjs';

const USAGE = 'node bench/compare.mjs FOLDER [--workloads W1,..] [--rounds N] [--forward-only]\n';
const TRAINED = ['W1', 'W2']; // the workloads of bench/training.mjs

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workloads: { type: 'string', default: WORKLOADS.map((w) => w.name).join(',') },
    rounds: { type: 'string', default: '9' },
    'forward-only': { type: 'boolean', default: false },
  },
});
const here = fileURLToPath(new URL('..', import.meta.url));
const there = resolve(positionals[0] ?? '');
for (const tree of [here, there]) {
  if (positionals.length === 1 && existsSync(join(tree, 'dist/index.js'))) continue;
  process.stderr.write(`${USAGE}needs a built checkout (npm ci): ${tree}\n`);
  process.exit(2);
}
const programs = { forward: 'convlstm.mjs', training: 'convlstm-training.mjs' };
const rounds = Number(options.rounds);
const env = { CONVLSTM_THREADS: String(availableParallelism()) };
const ratios = [];
const folder = mkdtempSync(join(tmpdir(), 'convlstm-bench-'));
try {
  for (const name of options.workloads.split(',')) {
    const workload = WORKLOADS.find((w) => w.name === name);
    if (!workload) throw new Error(`no workload ${name}`);
    writeData(workload, folder);
    for (const [kind, program] of Object.entries(programs)) {
      if (kind === 'training' && (options['forward-only'] || !TRAINED.includes(name))) continue;
      for (const precision of PRECISIONS) {
        const sides = new Map(
          [there, here].map((tree) => {
            const command = [process.execPath, '--expose-gc', join(tree, 'bench', program)];
            const products = /** @type {const} */ (precision === 'medium' ? 'bfloat16' : 'float32');
            const contestant = { name: tree, command, env, variants: [precision], products };
            return [contestant, new Side(command, { cwd: folder, env })];
          }),
        );
        try {
          const [before, after] = await race(
            workload,
            sides,
            { folder, batchMs: 250, rounds },
            () => {},
          );
          const ratio = after.ms / before.ms;
          ratios.push(ratio);
          const same = after.difference === 0 ? 'same bits' : `differs by ${after.difference}`;
          const disturbed = before.clean && after.clean ? '' : ' (disturbed by other programs)';
          process.stdout.write(
            `${name} ${kind} ${precision}: ${before.ms.toFixed(2)} ms there, ${after.ms.toFixed(2)} ms here, ` +
              `ratio ${ratio.toFixed(3)}${disturbed}, ${same}\n`,
          );
        } finally {
          for (const side of sides.values()) side.close();
        }
      }
    }
    rmSync(join(folder, name), { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true });
}
const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
process.stdout.write(
  `geometric mean of here / there: ${mean.toFixed(3)}; below 1 is faster here\n`,
);
