// The bench's models as ONNX, in protobuf's wire format: a dozen messages of a stable format
// (onnx.proto3) need neither a library nor Python.
import { layersOf } from './workloads.mjs';

/** @typedef {import('./workloads.mjs').Shape} Shape */

const VARINT = 0;
const BYTES = 2;
const FLOAT = 1;
const INT64 = 7;
const OPSET = 17;
const IR_VERSION = 8;

/** @param {number} value a non-negative integer */
function varint(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

/** @param {number} field @param {number} value */
const integer = (field, value) => Buffer.concat([varint(field * 8 + VARINT), varint(value)]);

/** A string, raw bytes or a nested message. @param {number} field @param {string | Uint8Array} value */
function bytes(field, value) {
  const body = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint(field * 8 + BYTES), varint(body.length), body]);
}

/** @param {string} name @param {number} type @param {number[]} shape @param {ArrayBufferView} values */
function tensor(name, type, shape, values) {
  return Buffer.concat([
    ...shape.map((size) => integer(1, size)),
    integer(2, type),
    bytes(8, name),
    bytes(9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  ]);
}

/** A graph's input or output: float32 of a fixed shape. @param {string} name @param {number[]} shape */
function value(name, shape) {
  const dims = shape.map((size) => bytes(1, integer(1, size)));
  const type = Buffer.concat([integer(1, FLOAT), bytes(2, Buffer.concat(dims))]);
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, type))]);
}

/** @param {string} name @param {number | number[]} value integers */
function attribute(name, value) {
  const fields = Array.isArray(value)
    ? [...value.map((v) => integer(8, v)), integer(20, 7)]
    : [integer(3, value), integer(20, 2)];
  return Buffer.concat([bytes(1, name), ...fields]);
}

class Graph {
  /** @type {Buffer[]} */ #parts = [];
  #names = 0;

  /** @param {string} name @param {number[]} shape */
  input(name, shape) {
    this.#parts.push(bytes(11, value(name, shape)));
    return name;
  }

  /** @param {string} name @param {number[]} shape */
  output(name, shape) {
    this.#parts.push(bytes(12, value(name, shape)));
  }

  /** @param {number[]} shape @param {Float32Array | BigInt64Array} values */
  constant(shape, values) {
    const name = `constant${this.#names++}`;
    const type = values instanceof Float32Array ? FLOAT : INT64;
    this.#parts.push(bytes(5, tensor(name, type, shape, values)));
    return name;
  }

  /**
   * @param {string} op @param {string[]} inputs
   * @param {{ attributes?: Record<string, number | number[]>, outputs?: string[] }} [options]
   * @returns {string[]} the names of its outputs
   */
  node(op, inputs, { attributes = {}, outputs = [`${op}${this.#names++}`] } = {}) {
    const fields = [
      ...inputs.map((name) => bytes(1, name)),
      ...outputs.map((name) => bytes(2, name)),
      bytes(4, op),
      ...Object.entries(attributes).map(([name, v]) => bytes(5, attribute(name, v))),
    ];
    this.#parts.push(bytes(1, Buffer.concat(fields)));
    return outputs;
  }

  model() {
    const graph = Buffer.concat([...this.#parts, bytes(2, 'convlstm')]);
    const opset = integer(2, OPSET);
    return Buffer.concat([integer(1, IR_VERSION), bytes(7, graph), bytes(8, opset)]);
  }
}

/**
 * One step of one layer, with the fewest operators: one sigmoid for the three gates that take one.
 * @param {Graph} graph @param {{ x: string, h: string, c: string, weight: string, bias: string,
 *   axis: string, hidden: number, kernel: number }} step
 * @param {string} hName @param {string} cName
 */
function cell(graph, { x, h, c, weight, bias, axis, hidden, kernel }, hName, cName) {
  const pad = (kernel - 1) / 2;
  const [joined] = graph.node('Concat', [x, h], { attributes: { axis: 1 } });
  const [gates] = graph.node('Conv', [joined, weight, bias], {
    attributes: { kernel_shape: [kernel, kernel], pads: [pad, pad, pad, pad] },
  });
  const [ifo, g] = graph.node('Split', [gates, axis], {
    attributes: { axis: 1 },
    outputs: [`${hName}.ifo`, `${hName}.g`],
  });
  const [activated] = graph.node('Sigmoid', [ifo]);
  const thirds = graph.constant(
    [3],
    BigInt64Array.of(BigInt(hidden), BigInt(hidden), BigInt(hidden)),
  );
  const [i, f, o] = graph.node('Split', [activated, thirds], {
    attributes: { axis: 1 },
    outputs: [`${hName}.i`, `${hName}.f`, `${hName}.o`],
  });
  const [kept] = graph.node('Mul', [f, c]);
  const [candidate] = graph.node('Tanh', [g]);
  const [added] = graph.node('Mul', [i, candidate]);
  graph.node('Add', [kept, added], { outputs: [cName] });
  const [squashed] = graph.node('Tanh', [cName]);
  graph.node('Mul', [o, squashed], { outputs: [hName] });
}

/** @param {Graph} graph @param {Shape} w @param {Map<string, Float32Array>} data */
function constants(graph, w, data) {
  return layersOf(w).map(({ input, hidden }, layer) => ({
    hidden,
    weight: graph.constant([4 * hidden, input + hidden, w.kernel, w.kernel], data.get(`w${layer}`)),
    bias: graph.constant([4 * hidden], data.get(`b${layer}`)),
    axis: graph.constant([2], BigInt64Array.of(BigInt(3 * hidden), BigInt(hidden))),
    kernel: w.kernel,
  }));
}

/**
 * A convolution: `x` [B, inputDim, H, W] to `y` [B, hiddenDim[0], H, W].
 * @param {Shape} w @param {Map<string, Float32Array>} data
 */
export function conv2dModel(w, data) {
  const graph = new Graph();
  const [outputs, pad] = [w.hiddenDim[0], (w.kernel - 1) / 2];
  graph.input('x', [w.batch, w.inputDim, w.height, w.width]);
  const weight = graph.constant([outputs, w.inputDim, w.kernel, w.kernel], data.get('w0'));
  const bias = graph.constant([outputs], data.get('b0'));
  graph.node('Conv', ['x', weight, bias], {
    attributes: { kernel_shape: [w.kernel, w.kernel], pads: [pad, pad, pad, pad] },
    outputs: ['y'],
  });
  graph.output('y', [w.batch, outputs, w.height, w.width]);
  return graph.model();
}

/**
 * The whole sequence as one graph: `x` [B, T, C, H, W] to `y` [B, T, hidden, H, W], from zero states.
 * @param {Shape} w @param {Map<string, Float32Array>} data
 */
export function unrolledModel(w, data) {
  const graph = new Graph();
  const image = [w.height, w.width];
  graph.input('x', [w.batch, w.time, w.inputDim, ...image]);
  let frames = Array.from({ length: w.time }, (_, t) => {
    const index = graph.constant([], BigInt64Array.of(BigInt(t)));
    return graph.node('Gather', ['x', index], { attributes: { axis: 1 } })[0];
  });
  for (const [layer, parts] of constants(graph, w, data).entries()) {
    const shape = [w.batch, parts.hidden, ...image];
    const zeros = graph.constant(shape, new Float32Array(shape.reduce((a, b) => a * b)));
    let [h, c] = [zeros, zeros];
    frames = frames.map((x, t) => {
      const [nextH, nextC] = [`h${layer}.${t}`, `c${layer}.${t}`];
      cell(graph, { x, h, c, ...parts }, nextH, nextC);
      [h, c] = [nextH, nextC];
      return h;
    });
  }
  const time = graph.constant([1], BigInt64Array.of(1n));
  const unsqueezed = frames.map((frame) => graph.node('Unsqueeze', [frame, time])[0]);
  graph.node('Concat', unsqueezed, { attributes: { axis: 1 }, outputs: ['y'] });
  graph.output('y', [w.batch, w.time, w.hiddenDim.at(-1), ...image]);
  return graph.model();
}

/**
 * One step of every layer: `x`, `h0`, `c0`, `h1`, ... to `nextH0`, `nextC0`, ...
 * @param {Shape} w @param {Map<string, Float32Array>} data
 */
export function stepModel(w, data) {
  const graph = new Graph();
  const image = [w.height, w.width];
  let x = graph.input('x', [w.batch, w.inputDim, ...image]);
  for (const [layer, parts] of constants(graph, w, data).entries()) {
    const shape = [w.batch, parts.hidden, ...image];
    const h = graph.input(`h${layer}`, shape);
    const c = graph.input(`c${layer}`, shape);
    cell(graph, { x, h, c, ...parts }, `nextH${layer}`, `nextC${layer}`);
    graph.output(`nextH${layer}`, shape);
    graph.output(`nextC${layer}`, shape);
    x = `nextH${layer}`;
  }
  return graph.model();
}
