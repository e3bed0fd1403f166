import type { ConvLstmArguments, Precision, Shape } from '../../binding.js';
import { checkCount } from '../options.js';
import { getFloat32Precision } from '../precision.js';
import { deviceOf } from '../tensor/operands.js';
import { expectShape, refuseShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** Peephole weights (Shi et al. 2015), all of shape [1, hidden, 1, 1] or all [1, hidden, H, W]. */
export interface PeepholeWeights {
  /** The input gate's, applied to c of the step before. */
  wci: Tensor;
  /** The forget gate's, applied to c of the step before. */
  wcf: Tensor;
  /** The output gate's, applied to the new c. */
  wco: Tensor;
}

/** Options of `convLstm`. */
export interface ConvLstmFunctionOptions {
  /** x and output are [B, T, C, H, W] when true, else [T, B, C, H, W]; default false. */
  batchFirst?: boolean | undefined;
  /** Default: no peepholes. */
  peephole?: PeepholeWeights | null | undefined;
  /** Factors of h of the step before in the convolution: [B, hidden, H, W]; default: 1. */
  recurrentMask?: Tensor | null | undefined;
  /**
   * Share of the old h that each step keeps, 0 to 1 (Krueger et al. 2017): of the shape of the output, or
   * of shape [] for all elements; default: 0.
   */
  zoneoutH?: Tensor | null | undefined;
  /** Share of the old c, likewise. */
  zoneoutC?: Tensor | null | undefined;
  /**
   * Steps between saved values for `backward()`: 1, the default, saves gates and c of every step; k > 1
   * saves c of every k-th step, and `backward()` computes the steps between again.
   */
  saveEvery?: number | undefined;
  /** Default: the precision of the process. */
  precision?: Precision | undefined;
}

/** Arguments of `convLstm` beside its x. */
export interface ConvLstmLayer {
  h0: Tensor | null;
  c0: Tensor | null;
  weight: Tensor;
  bias: Tensor | null;
  options: ConvLstmFunctionOptions;
}

/** Tensors of a call, by the names that messages give them; null for an absent one. */
export type ConvLstmTensors = Record<'input' | 'weight', Tensor> &
  Record<'bias' | 'h0' | 'c0' | 'wci' | 'wcf' | 'wco', Tensor | null> &
  Record<'recurrentMask' | 'zoneoutH' | 'zoneoutC', Tensor | null>;

/**
 * Checks a call of one layer.
 *
 * @param x input of the layer, or of the first layer of its stack
 * @param shape of the layer's input
 * @throws ConvLSTMError as `convLstm`
 */
export function convLstmCall(x: Tensor, shape: Shape, layer: ConvLstmLayer) {
  const { h0, c0, weight, bias, options } = layer;
  const { batchFirst = false, peephole, saveEvery = 1 } = options;
  const { recurrentMask = null, zoneoutH = null, zoneoutC = null } = options;
  const { wci = null, wcf = null, wco = null } = peephole ?? {};
  const tensors: ConvLstmTensors = {
    input: x,
    h0,
    c0,
    weight,
    bias,
    wci,
    wcf,
    wco,
    recurrentMask,
    zoneoutH,
    zoneoutC,
  };
  const device = deviceOf('convLstm', tensors);
  checkCount('convLstm: saveEvery', saveEvery);

  const [rows, weightChannels, kernelHeight, kernelWidth] = weight.shape;
  const hiddenDim = (rows ?? 0) / 4;
  const inputDim = (weightChannels ?? 0) - hiddenDim;
  if (weight.shape.length !== 4 || weight.size === 0 || rows! % 4 !== 0 || inputDim < 1) {
    refuseShape('weight', '[4 * hidden, input + hidden, kh, kw]', weight.shape);
  }
  if (shape.length !== 5 || shape.includes(0) || shape[2] !== inputDim) {
    refuseShape('input', `[${batchFirst ? 'B, T' : 'T, B'}, ${inputDim}, H, W]`, shape);
  }
  const [batch, time] = (batchFirst ? shape : [shape[1], shape[0]]) as [number, number];
  const [height, width] = shape.slice(3) as [number, number];
  const state = [batch, hiddenDim, height, width];
  if (h0) expectShape('h0', state, h0.shape);
  if (c0) expectShape('c0', state, c0.shape);
  if (bias) expectShape('bias', [rows!], bias.shape);

  let kind: 'none' | 'channel' | 'spatial' = 'none';
  if (peephole) {
    const channel = [1, hiddenDim, 1, 1];
    kind = sameShape(peephole.wci.shape, channel) ? 'channel' : 'spatial';
    const expected = kind === 'channel' ? channel : [1, hiddenDim, height, width];
    expectShape('wci', expected, peephole.wci.shape);
    expectShape('wcf', expected, peephole.wcf.shape);
    expectShape('wco', expected, peephole.wco.shape);
  }

  const outputShape = [...shape.slice(0, 2), hiddenDim, height, width];
  if (recurrentMask) expectShape('recurrentMask', state, recurrentMask.shape);
  if (zoneoutH && zoneoutH.shape.length > 0) expectShape('zoneoutH', outputShape, zoneoutH.shape);
  if (zoneoutC && zoneoutC.shape.length > 0) expectShape('zoneoutC', outputShape, zoneoutC.shape);

  const precision = options.precision ?? getFloat32Precision();
  // One literal: spreading objects would cost as much as the rest of a small call.
  const argumentsOf = (tensors: ConvLstmTensors, saveEvery: number): ConvLstmArguments => ({
    batch,
    time,
    timeMajor: !batchFirst,
    inputDim,
    hiddenDim,
    height,
    width,
    kernelHeight: kernelHeight!,
    kernelWidth: kernelWidth!,
    x: tensors.input.storage,
    h0: tensors.h0?.storage ?? null,
    c0: tensors.c0?.storage ?? null,
    weight: tensors.weight.storage,
    bias: tensors.bias?.storage ?? null,
    peephole: kind,
    wci: tensors.wci?.storage ?? null,
    wcf: tensors.wcf?.storage ?? null,
    wco: tensors.wco?.storage ?? null,
    recurrentMask: tensors.recurrentMask?.storage ?? null,
    zoneoutH: tensors.zoneoutH?.storage ?? null,
    zoneoutC: tensors.zoneoutC?.storage ?? null,
    precision,
    saveEvery,
  });
  return { device, state, outputShape, tensors, saveEvery, argumentsOf };
}
