// The protocol between the bench and a side, one line each way. Each side is a process, so that its
// spinning threads and allocator do not disturb another's sample; one runs, the others wait.
//
//   version                                                                       -> ok NAME VERSION
//   load FOLDER VARIANT BATCH TIME HEIGHT WIDTH KERNEL INPUT_DIM HIDDEN_DIM,HIDDEN_DIM
//                           reads the workload's numbers from FOLDER (writeData)   -> ok NOTE
//   conv2d ...              likewise for a convolution of INPUT_DIM to HIDDEN_DIM channels, TIME 1
//   output FILE             writes the output of the first run after `load`: the last layer's h of
//                           all steps, float32, [batch, time, hidden, height, width] -> ok
//   run COUNT               runs COUNT times                                       -> ok MS MS ...
//   peak COUNT              runs COUNT times; the process's peak resident size in these runs,
//                           without the comparison of outputs before them (Linux)  -> ok MIB
//
// A workload of one step starts from the given h and c. Later runs may continue from the previous
// run's state, like a stream, in the side's own layout.
//
// An answer of `error MESSAGE` leaves the side ready for the next `load`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {import('../workloads.mjs').Shape} Shape */

/** @param {string} folder @param {Shape} shape @returns {Map<string, Float32Array>} */
function readData(folder, shape) {
  const names = ['x', ...shape.hiddenDim.flatMap((_, k) => [`w${k}`, `b${k}`, `h${k}`, `c${k}`])];
  const data = new Map();
  for (const name of names) {
    if (!existsSync(`${folder}/${name}.f32`)) continue;
    const file = readFileSync(`${folder}/${name}.f32`);
    data.set(
      name,
      new Float32Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.length)),
    );
  }
  return data;
}

/** @param {string[]} words @returns {Shape} */
function parseShape([batch, time, height, width, kernel, inputDim, hiddenDim]) {
  return {
    batch: Number(batch),
    time: Number(time),
    height: Number(height),
    width: Number(width),
    kernel: Number(kernel),
    inputDim: Number(inputDim),
    hiddenDim: hiddenDim.split(',').map(Number),
  };
}

/** @param {Float32Array} f */
const bytesOf = (f) => new Uint8Array(f.buffer, f.byteOffset, f.byteLength);

/** Frames of a whole batch step by step, cut and put into [batch, time] order.
 * @param {Float32Array[]} steps @param {number} batch */
function inBatchOrder(steps, batch) {
  const length = steps[0].length / batch;
  return Array.from({ length: batch }, (_, b) =>
    steps.map((step) => step.subarray(b * length, (b + 1) * length)),
  ).flat();
}

/**
 * Serves standard input until it ends.
 * @typedef {(shape: Shape, variant: string, data: Map<string, Float32Array>) => Promise<{
 *   run: () => Promise<Float32Array | Float32Array[]>, note: () => string, release: () => unknown,
 *   trim?: () => void }>} Load
 * `run` ends with the output in hand: whole, or one array a step. `trim` gives free memory back to
 * the system.
 *
 * @param {string} version @param {Load} load @param {Load} [loadConv2d] absent: answers with an error
 */
export async function serve(version, load, loadConv2d) {
  /** @type {(Awaited<ReturnType<Load>> & { batch: number }) | null} */
  let model = null;
  /** @type {Float32Array | Float32Array[]} */
  let first = [];
  /** @param {Load} loadModel @param {string[]} words */
  async function start(loadModel, [folder, variant, ...sizes]) {
    await model?.release();
    model = null;
    const shape = parseShape(sizes);
    model = { ...(await loadModel(shape, variant, readData(folder, shape))), batch: shape.batch };
    first = await model.run();
    return model.note();
  }
  const commands = {
    version: () => version,
    /** @param {string[]} words */
    load: (...words) => start(load, words),
    /** @param {string[]} words */
    conv2d: (...words) => start(loadConv2d, words),
    /** @param {string} file */
    async output(file) {
      const frames = Array.isArray(first) ? inBatchOrder(first, model.batch) : [first];
      writeFileSync(file, Buffer.concat(frames.map(bytesOf)));
      first = [];
      return '';
    },
    /** @param {string} count */
    async peak(count) {
      first = [];
      for (let k = 0; k < 3; k++) {
        globalThis.gc?.();
        await sleep(50);
      }
      model.trim();
      writeFileSync('/proc/self/clear_refs', '5');
      for (let k = 0; k < Number(count); k++) await model.run();
      const status = readFileSync('/proc/self/status', 'utf8');
      return Math.round(Number(status.match(/VmHWM:\s*(\d+)/)?.[1]) / 1024);
    },
    /** @param {string} count */
    async run(count) {
      const samples = [];
      for (let k = 0; k < Number(count); k++) {
        const start = performance.now();
        await model.run();
        samples.push((performance.now() - start).toFixed(4));
      }
      return samples.join(' ');
    },
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...words] = line.split(' ');
    try {
      process.stdout.write(`ok ${await commands[command](...words)}\n`);
    } catch (error) {
      process.stdout.write(`error ${String(error).replaceAll('\n', ' ')}\n`);
    }
  }
}
