// node bench/latency.mjs: overhead of one small step beyond its arithmetic.
//
// The step is 1x8x16x16 with 16 channels, timed from the JavaScript call of `forward` to the resolved
// promise of `data()`. JavaScript cannot time the arithmetic alone, so two estimates are subtracted:
//
// - in time: the cost of one more step in calls of 4 to 32 steps. All of them take longer than 100 us
//   and return through the event loop; shorter calls do not, and would bend the fitted line.
// - in size: the cost per pixel of images of 64x64 to 128x128 with the same channels, times 256. This
//   overhead includes the call, the parallel section, layouts and edges.
//
// The target applies to the larger overhead.
import { backendInfo, ConvLSTM, noGrad, Tensor } from '../dist/index.js';
import { median } from './side.mjs';

const TARGET_US = 40;
const CHANNELS = 8;
const HIDDEN = 16;
const SIZE = 16;
const CALLS = 6000;
const BATCHES = 30;

const net = new ConvLSTM({ inputDim: CHANNELS, hiddenDim: HIDDEN, kernelSize: 3 }).eval();

/** Calls of one length and size. @param {number} time @param {number} size */
function makeShape(time, size) {
  const x = Tensor.randn([time, 1, CHANNELS, size, size]);
  const h = Tensor.randn([1, HIDDEN, size, size]).tanh();
  const c = Tensor.randn([1, HIDDEN, size, size]);
  const calls = Math.max(20, Math.round((CALLS * SIZE * SIZE) / (time * size * size) / BATCHES));
  return { time, pixels: size * size, x, h, c, calls, least: Number.POSITIVE_INFINITY };
}

/** Median microseconds of a batch of calls. @param {ReturnType<typeof makeShape>} shape */
async function timeBatch({ x, h, c, calls }) {
  const samples = [];
  for (let call = 0; call < calls; call++) {
    const start = performance.now();
    const { outputs, states } = noGrad(() => net.forward(x, [{ h, c }]));
    await outputs[0].data();
    samples.push((performance.now() - start) * 1000);
    for (const tensor of [outputs[0], states[0].h, states[0].c]) tensor.dispose();
  }
  return median(samples);
}

/** Of the line through the points, by least squares. @param {[number, number][]} points */
function slope(points) {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  return (
    points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) /
    points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  );
}

const single = makeShape(1, SIZE);
const longer = [4, 8, 16, 32].map((time) => makeShape(time, SIZE));
const larger = [64, 96, 128].map((size) => makeShape(1, size));
// Interleaved, so that all shapes meet the machine's quiet moments; the least median of a shape is
// the least disturbed.
for (let round = 0; round < BATCHES; round++) {
  for (const shape of [single, ...longer, ...larger]) {
    shape.least = Math.min(shape.least, await timeBatch(shape));
  }
}

const call = single.least;
const inTime = slope(longer.map(({ time, least }) => [time, least]));
const inSize = SIZE * SIZE * slope(larger.map(({ pixels, least }) => [pixels, least]));
const overhead = call - Math.min(inTime, inSize);
const { isa, threads } = backendInfo().cpu;
const us = (/** @type {number} */ value) => `${value.toFixed(1)} us`;
process.stdout.write(`One step of 1x${CHANNELS}x${SIZE}x${SIZE}, ${HIDDEN} channels, ${threads} threads, ${isa}
whole call               ${us(call)}
a step in longer calls   ${us(inTime)}, overhead ${us(call - inTime)}
a step by the pixel      ${us(inSize)}, overhead ${us(call - inSize)}
${overhead < TARGET_US ? 'reached' : 'MISSED'}: ${us(overhead)}, target under ${TARGET_US} us
`);
