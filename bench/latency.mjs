// node bench/latency.mjs: what one step costs beyond its arithmetic.
//
// A step of 1x8x16x16 with 16 channels, from the JavaScript call of `forward` to the resolved promise
// of `data()`. Its arithmetic cannot be timed from here by itself, so it is found twice by
// extrapolation:
//
// - over time: a call with T steps costs `overhead + T * step`. The intercept of the line through
//   T = 1 .. 16 is what the call costs: checks, queue, waking the threads, promise.
// - over size: the same channels on images of 64x64 to 128x128 cost so much for each pixel; 256 times
//   that is the step's arithmetic where nothing is amortised badly. The difference holds all that a
//   small step pays: the above, and its parallel section, its layouts, its edges.
//
// The target is held against the larger of the two.
import { backendInfo, ConvLSTM, noGrad, Tensor } from '../dist/index.js';
import { median } from './side.mjs';

const TARGET_US = 40;
const CHANNELS = 8;
const HIDDEN = 16;
const SIZE = 16;
const CALLS = 3000;
const BATCHES = 15;

const net = new ConvLSTM({ inputDim: CHANNELS, hiddenDim: HIDDEN, kernelSize: 3 }).eval();

/**
 * Median microseconds of a call: medians of batches, then the least disturbed of them.
 * @param {number} time @param {number} size
 */
async function microseconds(time, size) {
  const x = Tensor.randn([time, 1, CHANNELS, size, size]);
  const h = Tensor.randn([1, HIDDEN, size, size]).tanh();
  const c = Tensor.randn([1, HIDDEN, size, size]);
  const calls = Math.max(40, Math.round((CALLS * SIZE * SIZE) / (time * size * size)) / BATCHES);
  const medians = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const samples = [];
    for (let call = 0; call < calls; call++) {
      const start = performance.now();
      const { outputs, states } = noGrad(() => net.forward(x, [{ h, c }]));
      await outputs[0].data();
      samples.push((performance.now() - start) * 1000);
      for (const tensor of [outputs[0], states[0].h, states[0].c]) tensor.dispose();
    }
    medians.push(median(samples));
  }
  for (const tensor of [x, h, c]) tensor.dispose();
  return Math.min(...medians);
}

/** Least squares. @param {[number, number][]} points */
function line(points) {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const slope =
    points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) /
    points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return { slope, intercept: meanY - slope * meanX };
}

const warmUp = await microseconds(1, SIZE);
const perTime = [];
for (const time of [1, 2, 4, 8, 16]) perTime.push([time, await microseconds(time, SIZE)]);
const perSize = [];
for (const size of [64, 96, 128]) perSize.push([size * size, await microseconds(1, size)]);

const call = perTime[0][1];
const { intercept, slope } = line(perTime);
const pixel = line(perSize).slope;
const overTime = intercept;
const overSize = call - SIZE * SIZE * pixel;
const overhead = Math.max(overTime, overSize);
const { isa, threads } = backendInfo().cpu;
const us = (/** @type {number} */ value) => `${value.toFixed(1)} us`;
process.stdout.write(`One step of 1x${CHANNELS}x${SIZE}x${SIZE}, ${HIDDEN} channels, ${threads} threads, ${isa}
whole call                        ${us(call)} (first batches ${us(warmUp)})
  a step inside a longer call     ${us(slope)}
  arithmetic, from large images   ${us(SIZE * SIZE * pixel)}
overhead, extrapolated over time  ${us(overTime)}
overhead, extrapolated over size  ${us(overSize)}
${overhead < TARGET_US ? 'reached' : 'MISSED'}: ${us(overhead)}, target under ${TARGET_US} us
`);
