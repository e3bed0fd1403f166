// npm run bench: this package against onnxruntime-node, oneDNN and PyTorch on the workloads of
// workloads.mjs, in one run, taking turns, with the same number of threads.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findContestants } from './contestants.mjs';
import { race } from './measure.mjs';
import { installPeers, measureLimits } from './programs.mjs';
import { oursTable, peersTable, summary, verdictLines } from './report.mjs';
import { quiet, Side } from './side.mjs';
import { judge } from './targets.mjs';
import { CONV2D, WORKLOADS, writeData } from './workloads.mjs';

const USAGE = `npm run bench -- [options]
  --quick            under a minute: only onnxruntime, fewer samples
  --threads N        for every side; default: all processors
  --isa NAME         hold this package (and oneDNN and PyTorch) to avx512, avx2 or portable
  --workloads W1,..  only these
  --check            exit with 1 when a target of this machine is missed
`;

const workloads = [...WORKLOADS, CONV2D];
const root = fileURLToPath(new URL('..', import.meta.url));

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        threads: { type: 'string', default: String(availableParallelism()) },
        isa: { type: 'string' },
        workloads: { type: 'string', default: workloads.map((w) => w.name).join(',') },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const threads = Number(values.threads);
    if (!Number.isInteger(threads) || threads < 1) throw new Error(`threads: ${values.threads}`);
    const chosen = values.workloads.split(',').map((name) => {
      const workload = workloads.find((w) => w.name === name);
      if (!workload) throw new Error(`no workload ${name}`);
      return workload;
    });
    return { ...values, threads, workloads: chosen };
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n${USAGE}`);
    process.exit(2);
  }
}

/** @param {...string} args */
const git = (...args) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim();

function commit() {
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
  } catch {
    return 'not a git checkout';
  }
}

function machine() {
  const cpuinfo = readFileSync('/proc/cpuinfo', 'utf8');
  return {
    processor: cpuinfo.match(/^model name\s*:\s*(.*)$/m)?.[1] ?? process.arch,
    processors: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
}

const options = readOptions();
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (!existsSync(join(root, 'dist/index.js'))) {
  process.stderr.write('dist/ is missing: run `npm run build` first\n');
  process.exit(2);
}
const log = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);

installPeers();
const { contestants, absent } = findContestants(options);
for (const line of absent) log(line);
await quiet();
const limits = measureLimits(options.threads);
log(`Limits with ${options.threads} threads: ${JSON.stringify(limits)}`);

const folder = mkdtempSync(join(tmpdir(), 'convlstm-bench-'));
const sides = new Map(
  contestants.map((c) => [c, new Side(c.command, { cwd: folder, env: c.env })]),
);
/** @type {Record<string, import('./measure.mjs').Result[]>} */
const races = {};
const versions = new Set();
try {
  for (const [contestant, side] of sides) {
    try {
      versions.add(await side.ask('version'));
    } catch (error) {
      log(`${contestant.name} is left out: ${/** @type {Error} */ (error).message}`);
      sides.delete(contestant);
    }
  }
  const size = options.quick ? { batchMs: 120, rounds: 3 } : { batchMs: 250, rounds: 7 };
  for (const workload of options.workloads) {
    writeData(workload, folder);
    races[workload.name] = await race(workload, sides, { folder, ...size }, log);
    rmSync(join(folder, workload.name), { recursive: true });
  }
} finally {
  for (const side of sides.values()) side.close();
  rmSync(folder, { recursive: true });
}

const isa = [...versions].join().match(/convlstm \S+ \((.*?)\)/)?.[1] ?? '';
const verdicts = judge(races, isa);
const date = new Date().toISOString();
mkdirSync(join(root, 'bench/results'), { recursive: true });
const file = join(root, `bench/results/${date.replaceAll(':', '-')}.json`);
const { threads, quick } = options;
const record = {
  date,
  commit: commit(),
  machine: machine(),
  versions: [...versions],
  isa,
  threads,
};
writeFileSync(file, `${JSON.stringify({ ...record, quick, limits, races, verdicts }, null, 2)}\n`);

const { processor, processors, node } = record.machine;
process.stdout.write(`
${date}, commit ${record.commit}, ${processor}, ${processors} processors, Node ${node}
${record.versions.join(', ')}; ${threads} threads each
GFLOP/s count the direct convolution's operations whatever algorithm runs; ratios above 1 mean that
convlstm is faster; * marks medians that other programs disturbed

${oursTable(options.workloads, races, limits, isa)}

Peers, ms of the fastest variant
${peersTable(options.workloads, races)}

Targets on ${isa}
${verdictLines(verdicts)}
${options.isa && options.isa !== 'amx' ? `onnxruntime has no switch for its instruction set: it used all that the machine has.\n` : ''}
Written to ${file}
${summary(races, isa)}
`);
if (options.check && verdicts.some((v) => v.reached < v.target)) process.exitCode = 1;
