/** Step of a ConvLSTM layer, for the forward and the backward pass. */
import type { ConvLstmArguments } from '../../binding.js';
import { addConvolution, type ConvolutionFrame } from './convolution.js';
import { optionalValuesOf, valuesOf } from './storage.js';
import { sigmoid } from './unary.js';

/** Elements of a layer's operands; null for an absent one. */
export interface Operands {
  x: Float32Array;
  weight: Float32Array;
  bias: Float32Array | null;
  wci: Float32Array | null;
  wcf: Float32Array | null;
  wco: Float32Array | null;
  recurrentMask: Float32Array | null;
  zoneoutH: Float32Array | null;
  zoneoutC: Float32Array | null;
}

export function operandsOf(args: ConvLstmArguments): Operands {
  return {
    x: valuesOf(args.x),
    weight: valuesOf(args.weight),
    bias: optionalValuesOf(args.bias),
    wci: optionalValuesOf(args.wci),
    wcf: optionalValuesOf(args.wcf),
    wco: optionalValuesOf(args.wco),
    recurrentMask: optionalValuesOf(args.recurrentMask),
    zoneoutH: optionalValuesOf(args.zoneoutH),
    zoneoutC: optionalValuesOf(args.zoneoutC),
  };
}

/** Frames of x and h for `convolution.ts`; `xOffset` is the index of the frame's first element in x. */
export function convolutionFrames(
  args: ConvLstmArguments,
  xOffset: number,
): { ofX: ConvolutionFrame; ofH: ConvolutionFrame } {
  const { inputDim, hiddenDim, height, width, kernelHeight, kernelWidth } = args;
  const common = {
    height,
    width,
    weightShape: [4 * hiddenDim, inputDim + hiddenDim, kernelHeight, kernelWidth],
    stride: [1, 1],
    padding: [(kernelHeight - 1) >> 1, (kernelWidth - 1) >> 1],
    dilation: [1, 1],
    outSize: [height, width],
  } as const;
  return {
    ofX: { ...common, inputOffset: xOffset, channels: inputDim, firstChannel: 0 },
    ofH: { ...common, inputOffset: 0, channels: hiddenDim, firstChannel: inputDim },
  };
}

/** h of one sequence times the recurrent mask. */
export function maskedH(
  args: ConvLstmArguments,
  operands: Operands,
  b: number,
  h: Float32Array,
): Float32Array {
  const mask = operands.recurrentMask;
  if (!mask) return h;
  const offset = b * args.hiddenDim * args.height * args.width;
  return h.map((value, k) => value * mask[offset + k]!);
}

/** sums[4 * hiddenDim, height, width] = bias + weight * [x, h] */
export function convolveGates(
  sums: Float64Array,
  args: ConvLstmArguments,
  operands: Operands,
  xOffset: number,
  h: Float32Array,
): void {
  const pixels = args.height * args.width;
  for (let row = 0; row < 4 * args.hiddenDim; row++) {
    sums.fill(operands.bias ? operands.bias[row]! : 0, row * pixels, (row + 1) * pixels);
  }
  const { ofX, ofH } = convolutionFrames(args, xOffset);
  addConvolution(sums, ofX, operands.x, operands.weight);
  addConvolution(sums, ofH, h, operands.weight);
}

/** Gates and new cell state of an element. */
export interface Cell {
  i: number;
  f: number;
  g: number;
  o: number;
  /** Before zoneout. */
  c: number;
}

/** Element `k` of a frame; `sums` is [4, size], `p` the index of the element's peephole weights. */
export function cellOf(
  sums: Float64Array,
  size: number,
  k: number,
  p: number,
  before: number,
  { wci, wcf, wco }: Operands,
): Cell {
  const i = sigmoid(sums[k]! + (wci ? wci[p]! * before : 0));
  const f = sigmoid(sums[size + k]! + (wcf ? wcf[p]! * before : 0));
  const g = Math.tanh(sums[3 * size + k]!);
  const c = f * before + i * g;
  const o = sigmoid(sums[2 * size + k]! + (wco ? wco[p]! * c : 0));
  return { i, f, g, o, c };
}

/** Index of the peephole weights of element `k` of a frame: its channel, or `k`. */
export function peepholeIndex(args: ConvLstmArguments, k: number): number {
  return args.peephole === 'channel' ? Math.floor(k / (args.height * args.width)) : k;
}

/** Share of the old value that element `k` of the output keeps. */
export function kept(zoneout: Float32Array | null, k: number): number {
  if (!zoneout) return 0;
  return zoneout[zoneout.length === 1 ? 0 : k]!;
}
