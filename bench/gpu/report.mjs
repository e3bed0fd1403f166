// node bench/gpu/report.mjs FOLDER: the measurements of scripts/gpu-run.sh as tables of
// docs/benchmarks.md, from the logs bench, host, pytorch and pytorch-host of that folder.
//
// The floor by operations is the time of a call's products at the measured rate of large matrix
// products: three of TF32 for `highest`, three of bfloat16 for `high`, one for `medium`. The floor by
// bytes is the time of x, output, states and weights, each once, at the measured rate of copies.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * @typedef {object} Line
 * @property {string} [workload]
 * @property {string} [kind]       'step' or 'training': from JavaScript, by the clock
 * @property {string} [precision]
 * @property {string} [variant]
 * @property {string} [limit]      of the GPU: a precision or 'memory'
 * @property {number} [ms]
 * @property {number} [flops]
 * @property {number} [bytes]
 * @property {number} [tflops]
 * @property {number} [gbs]
 */

/** A precision's peer, and the cost of its products. */
const PRECISIONS = /** @type {const} */ ({
  highest: { peer: 'float32', limit: 'tf32', products: 3 },
  high: { peer: 'tf32', limit: 'bfloat16', products: 3 },
  medium: { peer: 'bfloat16', limit: 'bfloat16', products: 1 },
});

/** What JavaScript measures by the clock. @type {Record<string, string>} */
const KINDS = { step: ', from host to host', training: ', training step' };

/** @type {{ workload: string, kind?: string, target: number }[]} */
const ROWS = [
  { workload: 'W4b', kind: 'step', target: 3 },
  { workload: 'W4c', kind: 'step', target: 3 },
  { workload: 'step 64x64', kind: 'step', target: 3 },
  { workload: 'W1', target: 3 },
  { workload: 'W3', target: 3 },
  { workload: 'W2', target: 2 },
  { workload: 'batch 64', target: 1.2 },
  { workload: 'ConvLSTM-S', target: 1.2 },
  { workload: 'W1', kind: 'training', target: 2 },
  { workload: 'W2', kind: 'training', target: 2 },
];

/** @param {Line[]} lines @returns {Line | undefined} the one that took least */
function fastest(lines) {
  return lines.filter(({ ms }) => ms !== undefined).sort((a, b) => Number(a.ms) - Number(b.ms))[0];
}

/** @param {number | undefined} value @param {number} digits */
const figure = (value, digits) => (value === undefined ? '-' : value.toFixed(digits));

/**
 * @param {Line[]} ours of bench and host
 * @param {Line[]} theirs of pytorch
 */
function table(ours, theirs) {
  const rows = [
    '| workload | | ms | PyTorch, ms | fastest of PyTorch | times | target | floor by operations | by bytes | share |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  const limit = (/** @type {string} */ name) => theirs.find((line) => line.limit === name);
  for (const { workload, kind, target } of ROWS) {
    const isRow = (/** @type {Line} */ line) => line.workload === workload && line.kind === kind;
    for (const [precision, of] of Object.entries(PRECISIONS)) {
      const own = ours.find(
        (line) =>
          isRow(line) && line.precision === precision && (line.variant ?? 'chosen') === 'chosen',
      );
      const peer = fastest(theirs.filter((line) => isRow(line) && line.precision === of.peer));
      const times = own?.ms && peer?.ms ? peer.ms / own.ms : undefined;
      const rate = limit(of.limit)?.tflops;
      const memory = limit('memory')?.gbs;
      const operations = own?.flops && rate ? (of.products * own.flops) / rate / 1e9 : undefined;
      const bytes = own?.bytes && memory ? own.bytes / memory / 1e6 : undefined;
      const floor = Math.max(operations ?? 0, bytes ?? 0);
      const share = own?.ms && floor > 0 ? `${((100 * floor) / own.ms).toFixed(0)}%` : '-';
      rows.push(
        `| ${workload}${KINDS[kind ?? ''] ?? ''} | \`${precision}\` | ${figure(own?.ms, 4)} | ` +
          `${figure(peer?.ms, 4)} | ${peer?.variant ?? '-'} | ` +
          `${times === undefined ? '-' : `${times.toFixed(2)}x`} | ${target}x | ` +
          `${figure(operations, 4)} | ${figure(bytes, 4)} | ${share} |`,
      );
    }
  }
  return rows.join('\n');
}

/** @param {string} file @returns {Line[]} those lines of it that are JSON; the last may be cut off */
function linesOf(file) {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

const folder = process.argv[2] ?? 'report';
const of = (/** @type {string[]} */ ...names) =>
  names.flatMap((name) => linesOf(path.join(folder, `${name}.log`)));
const ours = of('bench', 'host');
const theirs = of('pytorch', 'pytorch-host');
for (const line of [...ours, ...theirs]) {
  if ('gpu' in line || 'gpus' in line) console.log(JSON.stringify(line));
}
console.log(table(ours, theirs));
