// node bench/memory.mjs: peak memory of a forward pass against its inputs (x, states, weights as
// given), outputs (h of every step of the last layer, states) and packed weights; at most 110% of them.
//
// Every pass runs in its own process. After the inputs are made, /proc/self/clear_refs resets the peak;
// the pass takes the rise from the resident size to the new peak (VmHWM). Outputs and packed weights
// are the difference of backendInfo().memory, which counts every native buffer; h of a single step
// shares the output's memory.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PRECISIONS } from './contestants.mjs';
import { layersOf, makeData, WORKLOADS } from './workloads.mjs';

const ALLOWED = 1.1;
const MiB = 2 ** 20;

/** @param {'VmRSS' | 'VmHWM'} name */
function statusBytes(name) {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(status.match(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm'))?.[1]) * 1024;
}

/**
 * Runs in the child. @param {string} name @param {(typeof PRECISIONS)[number]} precision
 */
async function measure(name, precision) {
  const { backendInfo, ConvLSTM, emptyCache, noGrad, Tensor } = await import('../dist/index.js');
  const w = WORKLOADS.find((workload) => workload.name === name);
  const image = [w.height, w.width];
  const net = new ConvLSTM({
    inputDim: w.inputDim,
    hiddenDim: w.hiddenDim,
    kernelSize: w.kernel,
    numLayers: w.hiddenDim.length,
    batchFirst: true,
  });
  net.eval().to({ precision });
  const data = makeData(w);
  const x = Tensor.from(data.get('x'), [w.batch, w.time, w.inputDim, ...image]);
  const states = layersOf(w).map(({ hidden }, k) =>
    w.givenState
      ? {
          h: Tensor.from(data.get(`h${k}`), [w.batch, hidden, ...image]),
          c: Tensor.from(data.get(`c${k}`), [w.batch, hidden, ...image]),
        }
      : null,
  );
  data.clear();
  // A first small pass loads code and starts threads, which do not count; its memory is released.
  const warm = new ConvLSTM({ inputDim: 1, hiddenDim: 1, kernelSize: w.kernel, batchFirst: true });
  warm.eval().to({ precision });
  await noGrad(() => warm.forward(Tensor.zeros([1, 2, 1, 16, 16]))).outputs[0].data();
  emptyCache();

  // JavaScript's copies of the inputs go now, not during the pass.
  for (let k = 0; k < 3; k++) {
    globalThis.gc?.();
    await sleep(50);
  }
  const before = backendInfo().memory;
  writeFileSync('/proc/self/clear_refs', '5');
  const resident = statusBytes('VmRSS');
  const { outputs, states: last } = noGrad(() => net.forward(x, states));
  await Tensor.zeros([1]).data(); // the queue is in order: the pass is done
  const rise = statusBytes('VmHWM') - resident;
  const alive = backendInfo().memory.liveBytes - before.liveBytes;

  const bytes = (/** @type {readonly number[]} */ shape) => 4 * shape.reduce((a, b) => a * b);
  const inputs =
    bytes(x.shape) +
    net.parameters().reduce((sum, p) => sum + bytes(p.shape), 0) +
    states.reduce((sum, state) => sum + (state ? 2 * bytes(state.h.shape) : 0), 0);
  const sharedH = w.time === 1 ? bytes(outputs[0].shape) : 0;
  const results =
    bytes(outputs[0].shape) +
    last.reduce((sum, { h, c }) => sum + bytes(h.shape) + bytes(c.shape), -sharedH);
  const packed = alive - results;
  process.stdout.write(JSON.stringify({ inputs, results, packed, rise }));
}

if (process.argv[2] === 'measure') {
  await measure(process.argv[3], /** @type {(typeof PRECISIONS)[number]} */ (process.argv[4]));
} else {
  const cell = (/** @type {number} */ bytes) => (bytes / MiB).toFixed(1).padStart(8);
  process.stdout.write('MiB            inputs  outputs   packed     held     peak   of held\n');
  let missed = 0;
  for (const w of WORKLOADS) {
    for (const precision of PRECISIONS) {
      const script = fileURLToPath(import.meta.url);
      const args = ['--expose-gc', script, 'measure', w.name, precision];
      const { stdout, status } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (status !== 0) process.exit(1);
      const { inputs, results, packed, rise } = JSON.parse(stdout);
      const held = inputs + results + packed;
      const peak = inputs + rise;
      if (peak > ALLOWED * held) missed++;
      process.stdout.write(
        `${`${w.name} ${precision}`.padEnd(12)} ${[inputs, results, packed, held, peak].map(cell).join(' ')}` +
          `    ${((100 * peak) / held).toFixed(0)}%${peak > ALLOWED * held ? ' MISSED' : ''}\n`,
      );
    }
  }
  process.stdout.write(`${missed === 0 ? 'reached' : `MISSED ${missed} times`}: at most 110%\n`);
}
