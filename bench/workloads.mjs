// The workloads of the bench: shapes, operation counts, input numbers.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Shape
 * @property {number} batch
 * @property {number} time
 * @property {number} height
 * @property {number} width
 * @property {number} kernel         height and width of the convolution's kernel
 * @property {number} inputDim
 * @property {number[]} hiddenDim    one entry per layer
 */

/**
 * @typedef {Shape & {
 *   name: string,
 *   title: string,
 *   operation: 'convLstm' | 'conv2d',
 *   givenState: boolean,
 *   input: 'frames' | 'spiky',
 * }} Workload
 * `operation`: conv2d takes inputDim to hiddenDim[0] channels, time is 1. `givenState`: one step from
 * nonzero h and c. `input`: uniform in [0, 1), or normal with one value in a hundred times 100.
 */

/** ConvLSTM layers. @type {Workload[]} */
export const WORKLOADS = [
  {
    name: 'W1',
    title: '64x64, 1 -> 64, 3x3, T = 10',
    operation: 'convLstm',
    batch: 1,
    time: 10,
    height: 64,
    width: 64,
    kernel: 3,
    inputDim: 1,
    hiddenDim: [64],
    givenState: false,
    input: 'frames',
  },
  {
    name: 'W2',
    title: '16x16, 16 -> 128 -> 64 -> 64, 5x5, T = 10, B = 8',
    operation: 'convLstm',
    batch: 8,
    time: 10,
    height: 16,
    width: 16,
    kernel: 5,
    inputDim: 16,
    hiddenDim: [128, 64, 64],
    givenState: false,
    input: 'frames',
  },
  {
    name: 'W3',
    title: '64x64, 3 -> 64 -> 64 -> 128, 3x3, T = 8',
    operation: 'convLstm',
    batch: 1,
    time: 8,
    height: 64,
    width: 64,
    kernel: 3,
    inputDim: 3,
    hiddenDim: [64, 64, 128],
    givenState: false,
    input: 'frames',
  },
  {
    name: 'W4a',
    title: 'one step 480x480, 8 -> 64, 3x3',
    operation: 'convLstm',
    batch: 1,
    time: 1,
    height: 480,
    width: 480,
    kernel: 3,
    inputDim: 8,
    hiddenDim: [64],
    givenState: true,
    input: 'frames',
  },
  {
    name: 'W4b',
    title: 'one step 96x96, 8 -> 64, 3x3',
    operation: 'convLstm',
    batch: 1,
    time: 1,
    height: 96,
    width: 96,
    kernel: 3,
    inputDim: 8,
    hiddenDim: [64],
    givenState: true,
    input: 'frames',
  },
  {
    name: 'W4c',
    title: 'one step 32x32, 192 -> 192, 3x3, x unbounded',
    operation: 'convLstm',
    batch: 1,
    time: 1,
    height: 32,
    width: 32,
    kernel: 3,
    inputDim: 192,
    hiddenDim: [192],
    givenState: true,
    input: 'spiky',
  },
];

/** @type {Workload} */
export const CONV2D = {
  name: 'C1',
  title: 'conv2d 64x64, 64 -> 256, 3x3, B = 8',
  operation: 'conv2d',
  batch: 8,
  time: 1,
  height: 64,
  width: 64,
  kernel: 3,
  inputDim: 64,
  hiddenDim: [256],
  givenState: false,
  input: 'frames',
};

/** Variants of the peers that are no other program for this workload. @param {Workload} w */
export function skippedVariants(w) {
  if (w.operation === 'conv2d') return ['unrolled', 'hoisted'];
  return w.givenState ? ['unrolled'] : [];
}

/** @param {Shape} w */
export function layersOf(w) {
  return w.hiddenDim.map((hidden, layer) => ({
    input: layer === 0 ? w.inputDim : w.hiddenDim[layer - 1],
    hidden,
  }));
}

/**
 * Floating-point operations of the direct convolution, two per product; "effective" rates divide them
 * by the time, whatever the algorithm.
 * @param {Workload} w
 */
export function flops(w) {
  const perChannelPair = 2 * w.batch * w.time * w.height * w.width * w.kernel * w.kernel;
  if (w.operation === 'conv2d') return perChannelPair * w.inputDim * w.hiddenDim[0];
  let sum = 0;
  for (const { input, hidden } of layersOf(w))
    sum += perChannelPair * (input + hidden) * 4 * hidden;
  return sum;
}

/** The protocol's line that loads a variant of a workload. @param {Workload} w @param {string} variant */
export const loadLine = (w, variant) =>
  /** @type {const} */ ([
    w.operation === 'conv2d' ? 'conv2d' : 'load',
    w.name,
    variant,
    w.batch,
    w.time,
    w.height,
    w.width,
    w.kernel,
    w.inputDim,
    w.hiddenDim.join(','),
  ]);

/** Mulberry32: uniform in [0, 1), the same on every machine. @param {number} seed */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** @param {number} length @param {() => number} draw */
function drawn(length, draw) {
  const values = new Float32Array(length);
  for (let k = 0; k < length; k++) values[k] = draw();
  return values;
}

/**
 * Input, weights and states: PyTorch's default initialisation, states as after some steps.
 * @param {Workload} w
 * @returns {Map<string, Float32Array>} `x`, and per layer `w0`, `b0` and, with `givenState`, `h0`, `c0`;
 *   of conv2d `x`, `w0` and `b0`
 */
export function makeData(w) {
  const uniform = generator(1);
  const between = (/** @type {number} */ bound) => () => (2 * uniform() - 1) * bound;
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const spiky = () => normal() * (uniform() < 0.01 ? 100 : 1);
  const pixels = w.height * w.width;
  const data = new Map();
  data.set(
    'x',
    drawn(w.batch * w.time * w.inputDim * pixels, w.input === 'spiky' ? spiky : uniform),
  );
  if (w.operation === 'conv2d') {
    const fanIn = w.inputDim * w.kernel * w.kernel;
    const bound = 1 / Math.sqrt(fanIn);
    data.set('w0', drawn(w.hiddenDim[0] * fanIn, between(bound)));
    data.set('b0', drawn(w.hiddenDim[0], between(bound)));
    return data;
  }
  for (const [layer, { input, hidden }] of layersOf(w).entries()) {
    const fanIn = (input + hidden) * w.kernel * w.kernel;
    const bound = 1 / Math.sqrt(fanIn);
    data.set(`w${layer}`, drawn(4 * hidden * fanIn, between(bound)));
    data.set(`b${layer}`, drawn(4 * hidden, between(bound)));
    if (w.givenState) {
      data.set(`h${layer}`, drawn(w.batch * hidden * pixels, between(0.9)));
      data.set(`c${layer}`, drawn(w.batch * hidden * pixels, between(1.5)));
    }
  }
  return data;
}

/**
 * Writes the arrays of makeData as raw little-endian float32, one file each.
 * @param {Workload} w @param {string} root
 */
export function writeData(w, root) {
  const folder = join(root, w.name);
  mkdirSync(folder, { recursive: true });
  for (const [name, values] of makeData(w)) {
    writeFileSync(join(folder, `${name}.f32`), new Uint8Array(values.buffer));
  }
}
