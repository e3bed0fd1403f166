// onnxruntime-node, CPU, float32: the model as one unrolled graph, or one step called in a loop.
import { createRequire } from 'node:module';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { conv2dModel, stepModel, unrolledModel } from '../onnx-model.mjs';
import { layersOf } from '../workloads.mjs';
import { serve } from './protocol.mjs';

/** @typedef {import('../workloads.mjs').Shape} Shape */

const options = {
  executionProviders: ['cpu'],
  graphOptimizationLevel: /** @type {const} */ ('all'),
  intraOpNumThreads: Number(process.env.BENCH_THREADS),
  interOpNumThreads: 1,
};

/** @param {Shape} w @param {Map<string, Float32Array>} data */
async function unrolled(w, data) {
  const session = await InferenceSession.create(unrolledModel(w, data), options);
  const x = new Tensor('float32', data.get('x'), [w.batch, w.time, w.inputDim, w.height, w.width]);
  return { session, run: async () => (await session.run({ x })).y.data };
}

/** @param {Shape} w @param {Map<string, Float32Array>} data */
async function conv2d(w, data) {
  const session = await InferenceSession.create(conv2dModel(w, data), options);
  const x = new Tensor('float32', data.get('x'), [w.batch, w.inputDim, w.height, w.width]);
  return { session, run: async () => (await session.run({ x })).y.data };
}

/** @param {Shape} w @param {Map<string, Float32Array>} data */
async function stepped(w, data) {
  const session = await InferenceSession.create(stepModel(w, data), options);
  const image = [w.height, w.width];
  const frame = w.inputDim * w.height * w.width;
  const all = data.get('x');
  const steps = Array.from({ length: w.time }, (_, t) => {
    const x = new Float32Array(w.batch * frame);
    for (let b = 0; b < w.batch; b++) {
      const from = (b * w.time + t) * frame;
      x.set(all.subarray(from, from + frame), b * frame);
    }
    return new Tensor('float32', x, [w.batch, w.inputDim, ...image]);
  });
  const start = Object.fromEntries(
    layersOf(w).flatMap(({ hidden }, layer) => {
      const shape = [w.batch, hidden, ...image];
      const length = shape.reduce((a, b) => a * b);
      return [`h${layer}`, `c${layer}`].map((name) => [
        name,
        new Tensor('float32', data.get(name) ?? new Float32Array(length), shape),
      ]);
    }),
  );
  const last = w.hiddenDim.length - 1;
  const run = async () => {
    const outputs = [];
    let state = start;
    for (const x of steps) {
      const result = await session.run({ x, ...state });
      state = Object.fromEntries(
        w.hiddenDim.flatMap((_, k) => [
          [`h${k}`, result[`nextH${k}`]],
          [`c${k}`, result[`nextC${k}`]],
        ]),
      );
      outputs.push(result[`nextH${last}`].data);
    }
    return outputs;
  };
  return { session, run };
}

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');

/** @param {{ session: InferenceSession, run: () => Promise<unknown> }} model */
const served = ({ session, run }) => ({
  run: /** @type {() => Promise<Float32Array>} */ (run),
  note: () => '',
  release: () => session.release(),
});

await serve(
  `onnxruntime-node ${version}`,
  async (w, variant, data) => served(await (variant === 'unrolled' ? unrolled : stepped)(w, data)),
  async (w, _variant, data) => served(await conv2d(w, data)),
);
