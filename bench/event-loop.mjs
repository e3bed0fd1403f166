// node bench/event-loop.mjs: longest stall of the event loop while the native threads compute.
//
// A forward pass of about two seconds runs twice. First perf_hooks.monitorEventLoopDelay watches a loop
// that is idle except for its timer, like a server's. Then setImmediate turns the loop as fast as it
// can, and the longest time between two turns counts: here the loop competes with the threads for the
// processors, so the scheduler's time slices count too. A run without a pass is the baseline.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { backendInfo, ConvLSTM, noGrad, Tensor } from '../dist/index.js';

const TARGET_MS = 5;
const SECONDS = 2;
// Much arithmetic per byte of output: beyond 64 MB of new tensors V8 starts a collection, a pause of
// 1 to 10 ms that would be counted as a stall.
const CHANNELS = 192;
const KERNEL = 7;
const SIZE = 64;

const net = new ConvLSTM({
  inputDim: CHANNELS,
  hiddenDim: CHANNELS,
  kernelSize: KERNEL,
  batchFirst: true,
}).eval();

/** @param {number} time frames */
async function forward(time) {
  const x = Tensor.zeros([1, time, CHANNELS, SIZE, SIZE]);
  const { outputs, states } = noGrad(() => net.forward(x));
  await states[0].h.data();
  for (const tensor of [x, outputs[0], states[0].h, states[0].c]) tensor.dispose();
}

/** @param {() => Promise<unknown>} work */
async function seconds(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Largest delay of a timer of one millisecond, in milliseconds. @param {() => Promise<unknown>} work */
async function watch(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  return { p99: histogram.percentile(99) / 1e6, longest: histogram.max / 1e6 };
}

/** Longest time between two turns of a loop that never waits, in milliseconds. @param {() => Promise<unknown>} work */
async function turnUntilDone(work) {
  let longest = 0;
  let turns = 0;
  let done = false;
  let last = performance.now();
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    turns++;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  done = true;
  return { longest, turns };
}

await forward(2);
const frames = 4;
const time = Math.max(2, Math.round((frames * SECONDS) / (await seconds(() => forward(frames)))));
const pass = () => forward(time);
const pause = () => new Promise((resolve) => setTimeout(resolve, 1000 * SECONDS));

const idle = { watched: await watch(pause), turning: await turnUntilDone(pause) };
const elapsed = await seconds(pass);
const busy = { watched: await watch(pass), turning: await turnUntilDone(pass) };

const { isa, threads } = backendInfo().cpu;
const ms = (/** @type {number} */ value) => `${value.toFixed(2)} ms`;
const row = (/** @type {string} */ name, /** @type {typeof idle} */ { watched, turning }) =>
  `${name.padEnd(20)}timer: p99 ${ms(watched.p99)}, longest ${ms(watched.longest)}; ` +
  `turning: longest ${ms(turning.longest)} of ${turning.turns}`;
const worst = busy.watched.longest;
process.stdout.write(`Forward pass of ${time} frames, ${CHANNELS} -> ${CHANNELS} channels, ${KERNEL}x${KERNEL}, at ${SIZE}x${SIZE}, ${elapsed.toFixed(2)} s, ${threads} threads, ${isa}
${row('nothing runs', idle)}
${row('a forward pass runs', busy)}
${worst < TARGET_MS ? 'reached' : 'MISSED'}: ${ms(worst)}, target under ${TARGET_MS} ms
`);
