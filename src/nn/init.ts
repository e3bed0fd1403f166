/**
 * Initializers: each replaces the values of a parameter and returns it. The values depend on
 * `manualSeed`, not on the device.
 */
import { noGrad } from '../autograd/grad-mode.js';
import { ConvLSTMError, show } from '../errors.js';
import { concat, slice } from '../functional/index.js';
import { checkNames, checkNumber } from '../options.js';
import { expectTensor } from '../tensor/operands.js';
import { normalValues, uniformValues } from '../tensor/random.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { Module } from './module.js';
import { orthonormalize } from './orthonormalize.js';
import type { Parameter } from './parameter.js';
import { RecurrentCell } from './recurrent-cell.js';

/** Options of `xavierUniform`, `xavierNormal` and `orthogonal`. */
export interface GainOptions {
  /** Factor of the values; default 1. */
  gain?: number | undefined;
}

/** Options of `kaimingUniform` and `kaimingNormal`, with PyTorch's defaults. */
export interface KaimingOptions {
  /** Whose variance is kept: activations (`'fanIn'`, the default) or gradients (`'fanOut'`). */
  mode?: 'fanIn' | 'fanOut' | undefined;
  /** Activation after the weights; default `'leakyRelu'`. */
  nonlinearity?: 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | undefined;
  /** Negative slope of leakyRelu; default 0. */
  a?: number | undefined;
}

function replace<T extends Tensor>(parameter: T, values: Float32Array): T {
  const next = Tensor.from(values, parameter.shape, { device: parameter.device });
  parameter.assign(next);
  next.dispose();
  return parameter;
}

/** Inputs per output and outputs per input of a weight [out, in, ...kernel]. */
function fans(initialiser: string, parameter: Tensor): { fanIn: number; fanOut: number } {
  expectTensor(initialiser, parameter);
  const { shape } = parameter;
  const [out, inputs, ...kernel] = shape;
  if (out === undefined || inputs === undefined) {
    const message = `${initialiser}: expected a weight [out, in, ...], got ${formatShape(shape)}`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
  const taps = kernel.reduce((product, size) => product * size, 1);
  return { fanIn: inputs * taps, fanOut: out * taps };
}

function uniform<T extends Tensor>(parameter: T, deviation: number): T {
  const bound = Math.sqrt(3) * deviation;
  return replace(parameter, uniformValues(parameter.size, -bound, bound));
}

function normal<T extends Tensor>(parameter: T, deviation: number): T {
  return replace(
    parameter,
    normalValues(parameter.size).map((value) => value * deviation),
  );
}

function gainOf(initialiser: string, options: GainOptions): number {
  checkNames(initialiser, options, { gain: true });
  return checkNumber('gain', options.gain ?? 1);
}

function xavierDeviation(initialiser: string, parameter: Tensor, options: GainOptions) {
  const gain = gainOf(initialiser, options);
  const { fanIn, fanOut } = fans(initialiser, parameter);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/**
 * Uniform values whose variance, 2 / (fanIn + fanOut), is a compromise between activations and
 * gradients (Glorot and Bengio 2010), as PyTorch's `xavier_uniform_`.
 *
 * @throws ConvLSTMError ERR_SHAPE for a parameter with fewer than two axes
 * @example
 * ```ts
 * init.xavierUniform(head.weight, { gain: 5 / 3 });
 * ```
 */
export function xavierUniform<T extends Tensor>(parameter: T, options: GainOptions = {}): T {
  return uniform(parameter, xavierDeviation('xavierUniform', parameter, options));
}

/**
 * Normal values with the variance of `xavierUniform`, as PyTorch's `xavier_normal_`.
 *
 * @throws ConvLSTMError ERR_SHAPE for a parameter with fewer than two axes
 * @example
 * ```ts
 * for (const [name, parameter] of net.namedParameters()) {
 *   if (name.endsWith('weight')) init.xavierNormal(parameter);
 * }
 * ```
 */
export function xavierNormal<T extends Tensor>(parameter: T, options: GainOptions = {}): T {
  return normal(parameter, xavierDeviation('xavierNormal', parameter, options));
}

function kaimingDeviation(initialiser: string, parameter: Tensor, options: KaimingOptions): number {
  checkNames(initialiser, options, { mode: true, nonlinearity: true, a: true });
  const { mode = 'fanIn', nonlinearity = 'leakyRelu', a = 0 } = options;
  const fan = fans(initialiser, parameter)[mode];
  const gain = {
    linear: 1,
    sigmoid: 1,
    tanh: 5 / 3,
    relu: Math.SQRT2,
    leakyRelu: Math.sqrt(2 / (1 + a ** 2)),
  }[nonlinearity];
  if (fan === undefined || gain === undefined) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `${initialiser}: expected mode 'fanIn' or 'fanOut' and nonlinearity 'linear', 'sigmoid', 'tanh', ` +
        `'relu' or 'leakyRelu', got ${show({ mode, nonlinearity })}`,
    );
  }
  return gain / Math.sqrt(fan);
}

/**
 * Uniform values with the variance that keeps that of activations through a nonlinearity (He et al.
 * 2015), as PyTorch's `kaiming_uniform_`.
 *
 * @throws ConvLSTMError ERR_SHAPE for a parameter with fewer than two axes, ERR_OPTION
 * @example
 * ```ts
 * init.kaimingUniform(conv.weight, { nonlinearity: 'relu' });
 * ```
 */
export function kaimingUniform<T extends Tensor>(parameter: T, options: KaimingOptions = {}): T {
  return uniform(parameter, kaimingDeviation('kaimingUniform', parameter, options));
}

/**
 * Normal values with the variance of `kaimingUniform`, as PyTorch's `kaiming_normal_`.
 *
 * @throws ConvLSTMError ERR_SHAPE for a parameter with fewer than two axes, ERR_OPTION
 * @example
 * ```ts
 * init.kaimingNormal(conv.weight, { mode: 'fanOut', nonlinearity: 'leakyRelu', a: 0.2 });
 * ```
 */
export function kaimingNormal<T extends Tensor>(parameter: T, options: KaimingOptions = {}): T {
  return normal(parameter, kaimingDeviation('kaimingNormal', parameter, options));
}

/**
 * A random orthogonal matrix [out, in * ...] times `gain`: rows are orthogonal, or columns where rows
 * outnumber them (Saxe et al. 2014); as PyTorch's `orthogonal_`.
 *
 * @throws ConvLSTMError ERR_SHAPE for a parameter with fewer than two axes
 * @example
 * ```ts
 * init.orthogonal(cell.conv.weight);
 * ```
 */
export function orthogonal<T extends Tensor>(parameter: T, options: GainOptions = {}): T {
  const gain = gainOf('orthogonal', options);
  const columns = fans('orthogonal', parameter).fanIn;
  const rows = parameter.shape[0]!;
  const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
  const basis = Float64Array.from(normalValues(count * length));
  orthonormalize(basis, count, length);
  const values = new Float32Array(basis.length);
  const [rowStride, columnStride] = rows < columns ? [columns, 1] : [1, rows];
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      values[at++] = gain * basis[row * rowStride + column * columnStride]!;
    }
  }
  return replace(parameter, values);
}

/** The recurrent cells in a module, or the module itself if it is one. */
function* cellsOf(module: Module): Generator<RecurrentCell> {
  if (module instanceof RecurrentCell) yield module;
  else for (const [, child] of module.namedChildren()) yield* cellsOf(child);
}

const hasForgetGate = ({ gates }: Parameter) => gates.includes('f');
const isBias = ({ shape }: Parameter) => shape.length === 1;

/**
 * Sets the bias of every forget gate: with 1, cells remember from the start (Jozefowicz et al. 2015).
 *
 * @returns the module
 * @throws ConvLSTMError ERR_OPTION for a module without forget gates, or a forget gate without bias
 * @example
 * ```ts
 * const net = init.forgetBias(new ConvLSTM({ inputDim: 1, hiddenDim: 64, kernelSize: 3 }), 1);
 * ```
 */
export function forgetBias<T extends Module>(module: T, value = 1): T {
  const cells = Array.from(cellsOf(module), (cell) => cell.parameters().filter(hasForgetGate));
  const forgetting = cells.filter((parameters) => parameters.length > 0);
  if (forgetting.length === 0 || !forgetting.every((parameters) => parameters.some(isBias))) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      'forgetBias: expected a module with forget gates, all with bias',
    );
  }
  noGrad(() => {
    for (const bias of forgetting.flat().filter(isBias)) setForgetGate(bias, value);
  });
  return module;
}

function setForgetGate(bias: Parameter, value: number): void {
  const size = bias.size / bias.gates.length;
  const gates = Array.from(bias.gates, (gate, k) =>
    gate === 'f'
      ? Tensor.full([size], value, { device: bias.device })
      : slice(bias, [k * size], [(k + 1) * size]),
  );
  using next = concat(gates);
  for (const gate of gates) gate.dispose();
  bias.assign(next);
}
