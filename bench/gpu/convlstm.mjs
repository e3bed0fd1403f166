// node bench/gpu/convlstm.mjs [DEVICE]: times of a GPU as seen from JavaScript, a line of JSON each.
//   step      a frame in host memory to the new h in host memory, the state kept on the device
//   training  zeroGrad, forward, the mean square of the output, backward, Adam's step, the loss in hand
// Milliseconds are medians after a warm-up. bench/gpu/pytorch.py has the same rows.
import { Adam, backendInfo, ConvLSTM, Tensor } from '../../dist/index.js';
import { PRECISIONS } from '../contestants.mjs';
import { trainingStep } from '../training-step.mjs';
import { flops, WORKLOADS } from '../workloads.mjs';

const device = process.argv[2] ?? 'cuda';

/** @typedef {import('../workloads.mjs').Shape} Shape */

/** @type {(Shape & { name: string })[]} */
const steps = [
  ...WORKLOADS.filter(({ name }) => name === 'W4b' || name === 'W4c'),
  {
    name: 'step 64x64',
    batch: 1,
    time: 1,
    height: 64,
    width: 64,
    kernel: 3,
    inputDim: 64,
    hiddenDim: [64],
  },
];
const sequences = WORKLOADS.filter(({ name }) => name === 'W1' || name === 'W2');

/** @param {() => Promise<unknown>} run @param {number} calls */
async function median(run, calls) {
  const warmUp = Math.ceil(calls / 5);
  const times = [];
  for (let k = 0; k < warmUp + calls; k++) {
    const begin = performance.now();
    await run();
    if (k >= warmUp) times.push(performance.now() - begin);
  }
  return times.sort((a, b) => a - b)[calls >> 1];
}

/** @param {Shape} w @param {string} precision */
function network(w, precision) {
  const net = new ConvLSTM({
    inputDim: w.inputDim,
    hiddenDim: w.hiddenDim,
    kernelSize: w.kernel,
    numLayers: w.hiddenDim.length,
    batchFirst: true,
  });
  return net.to({ device, precision: /** @type {(typeof PRECISIONS)[number]} */ (precision) });
}

/** @param {Shape} w @param {string} precision */
async function timeStep(w, precision) {
  const net = network(w, precision).eval();
  const stream = net.stream();
  const frame = new Float32Array(w.batch * w.inputDim * w.height * w.width).fill(0.5);
  const shape = [w.batch, w.inputDim, w.height, w.width];
  return median(async () => {
    const x = Tensor.from(frame, shape, { device });
    const h = stream.step(x);
    await h.data();
    x.dispose();
    h.dispose();
  }, 200);
}

/** @param {Shape} w @param {string} precision */
async function timeTraining(w, precision) {
  const net = network(w, precision);
  const x = Tensor.rand([w.batch, w.time, w.inputDim, w.height, w.width], { seed: 1, device });
  const adam = new Adam(net.parameters(), { lr: 1e-4 });
  return median(() => trainingStep(net, x, adam), 20);
}

/** @param {object} line */
const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const { version, cuda } = backendInfo();
report({ convlstm: version, device, gpus: cuda.devices });
for (const precision of PRECISIONS) {
  for (const w of steps) {
    const ms = await timeStep(w, precision);
    report({ kind: 'step', workload: w.name, precision, ms, flops: flops(w) });
  }
  for (const w of sequences) {
    const ms = await timeTraining(w, precision);
    const operations = 3 * flops(w);
    const tflops = operations / ms / 1e9;
    report({ kind: 'training', workload: w.name, precision, ms, flops: operations, tflops });
  }
}
