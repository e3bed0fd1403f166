// The project's targets; the bench lists the missed ones.
import { PRECISIONS } from './contestants.mjs';
import { CONV2D } from './workloads.mjs';

/** Times the faster onnxruntime form, two threads, on a machine with AMX. */
export const WITH_AMX = {
  W1: { highest: 3.7, high: 4.5, medium: 8 },
  W2: { highest: 2.4, high: 3.7, medium: 9 },
  W3: { highest: 3.3, high: 3.6, medium: 8 },
  W4a: { highest: 4, high: 4.2, medium: 7 },
  W4b: { highest: 3.3, high: 4.3, medium: 9 },
  W4c: { highest: 2.3, high: 3.2, medium: 8 },
};

/** conv2d `highest` against the faster of these. */
export const CONV2D_PEERS = ['oneDNN float32', 'PyTorch float32'];

/** Geometric means over the ConvLSTM workloads. Those against oneDNN were set for a machine with AMX. */
export const MEANS = [
  { precision: 'highest', peer: 'onnxruntime', isas: ['avx512'], factor: 3 },
  { precision: 'highest', peer: 'oneDNN float32', isas: ['amx', 'avx512'], factor: 1.8 },
  { precision: 'medium', peer: 'oneDNN bfloat16', isas: ['amx', 'avx512'], factor: 1.4 },
  { precision: 'highest', peer: 'onnxruntime', isas: ['avx2'], factor: 1 },
];

/** @param {number[]} values */
export function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** @typedef {import('./measure.mjs').Result} Result */
/** @typedef {{ what: string, target: number, reached: number }} Verdict */

/** @param {Result[]} results @param {string} name */
export const timeOf = (results, name) => results.find((r) => r.contestant === name)?.ms;

/**
 * Ratios over the ConvLSTM workloads where both were timed.
 * @param {Record<string, Result[]>} races @param {string} peer @param {string} precision
 */
export function ratios(races, peer, precision) {
  return Object.entries(races).flatMap(([workload, results]) => {
    if (!(workload in WITH_AMX)) return [];
    const ours = timeOf(results, `convlstm ${precision}`);
    const theirs = timeOf(results, peer);
    return ours && theirs ? [theirs / ours] : [];
  });
}

/**
 * The targets that apply on this instruction set, with what was reached.
 * @param {Record<string, Result[]>} races @param {string} isa
 * @returns {Verdict[]}
 */
export function judge(races, isa) {
  const verdicts = [];
  if (isa === 'amx') {
    for (const [workload, results] of Object.entries(races)) {
      for (const precision of PRECISIONS) {
        const [reached] = ratios({ [workload]: results }, 'onnxruntime', precision);
        const target = WITH_AMX[workload]?.[precision];
        if (reached)
          verdicts.push({ what: `${workload} ${precision}, onnxruntime`, target, reached });
      }
    }
  }
  const conv2d = races[CONV2D.name];
  const ours = conv2d && timeOf(conv2d, 'convlstm highest');
  const theirs = CONV2D_PEERS.flatMap((peer) => (conv2d && timeOf(conv2d, peer)) ?? []);
  if (ours && theirs.length > 0) {
    const what = `${CONV2D.name} highest, faster of oneDNN and PyTorch`;
    verdicts.push({ what, target: 1, reached: Math.min(...theirs) / ours });
  }
  for (const { precision, peer, isas, factor } of MEANS) {
    const found = ratios(races, peer, precision);
    if (!isas.includes(isa) || found.length === 0) continue;
    const reached = geometricMean(found);
    verdicts.push({ what: `${precision}, geometric mean, ${peer}`, target: factor, reached });
  }
  return verdicts;
}
