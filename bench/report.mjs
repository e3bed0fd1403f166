// The bench's tables.
import { PRECISIONS } from './contestants.mjs';
import { geometricMean, judge, ratios, timeOf, WITH_AMX } from './targets.mjs';
import { flops } from './workloads.mjs';

/** @typedef {import('./workloads.mjs').Workload} Workload */
/** @typedef {import('./measure.mjs').Result} Result */
/** @typedef {import('./targets.mjs').Verdict} Verdict */

/** Columns padded to their widest cell, the first to the left. @param {string[][]} rows */
function table(rows) {
  const widths = rows[0].map((_, k) => Math.max(...rows.map((row) => row[k].length)));
  const line = (/** @type {string[]} */ row) =>
    row.map((cell, k) => (k === 0 ? cell.padEnd(widths[k]) : cell.padStart(widths[k]))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

const ms = (/** @type {number} */ value) =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);

const times = (/** @type {number | undefined} */ value) => (value ? `${value.toFixed(2)}x` : '-');

/** A cell of a median that rests on samples which others disturbed is marked. @param {Result} r */
const marked = (r) => `${ms(r.ms)}${r.clean ? '' : '*'}`;

/**
 * The kernel's name without its shape.
 * @param {Result} result
 */
function kernels({ note }) {
  const names = note.split('; ').map((choice) => choice.replace(/^.* -> /, ''));
  return [...new Set(names)].join(', ');
}

/**
 * The measured peak for a kernel's number format and instruction set.
 * @param {string} kernel @param {Record<string, number>} limits @param {string} isa
 */
function peakFor(kernel, limits, isa) {
  if (kernel.includes('bf16')) return limits[isa === 'amx' ? 'bf16 amx' : 'bf16 avx512'];
  return limits[isa === 'avx2' ? 'f32 avx2' : isa === 'neon' ? 'f32 neon' : 'f32 avx512'];
}

/**
 * @param {Workload[]} workloads @param {Record<string, Result[]>} races
 * @param {Record<string, number>} limits @param {string} isa
 */
export function oursTable(workloads, races, limits, isa) {
  const rows = [
    [
      '',
      'ms',
      'onnxruntime',
      isa === 'amx' ? 'target' : 'target (AMX)',
      'oneDNN',
      'PyTorch',
      'GFLOP/s',
      'of peak',
      'kernel',
    ],
  ];
  for (const w of workloads) {
    for (const precision of PRECISIONS) {
      const result = races[w.name].find((r) => r.contestant === `convlstm ${precision}`);
      if (!result) continue;
      const format = precision === 'medium' ? 'bfloat16' : 'float32';
      const against = (/** @type {string} */ peer) => {
        const theirs = timeOf(races[w.name], peer);
        return times(theirs && theirs / result.ms);
      };
      const rate = flops(w) / result.ms / 1e6;
      const kernel = kernels(result);
      const peak = peakFor(kernel, limits, isa);
      rows.push([
        `${w.name} ${precision}`,
        marked(result),
        against('onnxruntime'),
        times(WITH_AMX[w.name]?.[precision]),
        against(`oneDNN ${format}`),
        against(`PyTorch ${format}`),
        rate.toFixed(0),
        peak ? `${((100 * rate) / peak).toFixed(0)}%` : '-',
        kernel,
      ]);
    }
  }
  for (const precision of PRECISIONS) {
    const format = precision === 'medium' ? 'bfloat16' : 'float32';
    const mean = (/** @type {string} */ peer) => {
      const found = ratios(races, peer, precision);
      return times(found.length ? geometricMean(found) : undefined);
    };
    const wanted = workloads.flatMap((w) => WITH_AMX[w.name]?.[precision] ?? []);
    if (wanted.length === 0) continue;
    rows.push([
      `mean ${precision}`,
      '',
      mean('onnxruntime'),
      times(geometricMean(wanted)),
      mean(`oneDNN ${format}`),
      mean(`PyTorch ${format}`),
      '',
      '',
      '',
    ]);
  }
  return table(rows);
}

/** @param {Workload[]} workloads @param {Record<string, Result[]>} races */
export function peersTable(workloads, races) {
  const names = [
    ...new Set(Object.values(races).flatMap((results) => results.map((r) => r.contestant))),
  ].filter((name) => !name.startsWith('convlstm'));
  const rows = [['', ...names]];
  for (const w of workloads) {
    const cells = names.map((name) => {
      const result = races[w.name].find((r) => r.contestant === name);
      return result ? `${marked(result)} ${result.variant}` : '-';
    });
    rows.push([w.name, ...cells]);
  }
  return table(rows);
}

/** @param {Verdict[]} verdicts */
export function verdictLines(verdicts) {
  return table(
    verdicts.map(({ what, target, reached }) => [
      what,
      `target ${times(target)}`,
      `reached ${times(reached)}`,
      reached >= target ? 'yes' : 'NO',
    ]),
  );
}

/**
 * @param {Record<string, Result[]>} races @param {string} isa
 */
export function summary(races, isa) {
  const mean = (/** @type {string} */ precision) => {
    const found = ratios(races, 'onnxruntime', precision);
    return found.length ? `${precision} ${times(geometricMean(found))}` : `${precision} -`;
  };
  const verdicts = judge(races, isa);
  const missed = verdicts.filter((v) => v.reached < v.target).length;
  return `convlstm (${isa}) against onnxruntime, geometric means: ${PRECISIONS.map(mean).join(', ')}; ${verdicts.length - missed} of ${verdicts.length} targets reached`;
}
