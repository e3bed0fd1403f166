import type { ConvLstmBackwardArguments, ConvLstmGradients, Storage } from '../../binding.js';
import {
  cellOf,
  convolutionFrames,
  convolveGates,
  kept,
  maskedH,
  type Operands,
  operandsOf,
  peepholeIndex,
} from './conv-lstm-step.js';
import { addPlanes } from './conv2d.js';
import { addInputGradient, addWeightGradient } from './convolution.js';
import { compute, optionalValuesOf, valuesOf } from './storage.js';

/** Sums of the gradients, in the order of `ConvLstmGradients`; empty where not wanted. */
interface Sums {
  x: Float64Array;
  h0: Float64Array;
  c0: Float64Array;
  weight: Float64Array;
  bias: Float64Array;
  wci: Float64Array;
  wcf: Float64Array;
  wco: Float64Array;
}

/** Backpropagation through time of `convLstm`; recomputes the gates from c, x and h. */
export function convLstmBackward(args: ConvLstmBackwardArguments): ConvLstmGradients {
  const { wants } = args;
  const state = args.batch * args.hiddenDim * args.height * args.width;
  const ofPeephole = (weights: Storage | null) => (wants.peephole && weights ? weights.length : 0);
  const lengths = [
    wants.x ? args.x.length : 0,
    wants.h0 ? state : 0,
    wants.c0 ? state : 0,
    wants.weight ? args.weight.length : 0,
    wants.bias ? 4 * args.hiddenDim : 0,
    ofPeephole(args.wci),
    ofPeephole(args.wcf),
    ofPeephole(args.wco),
  ];
  const grads = compute(
    [
      ...[args.x, args.weight, args.bias, args.wci, args.wcf, args.wco, args.h0, args.c0],
      ...[args.recurrentMask, args.zoneoutH, args.zoneoutC, args.output, args.saved],
      ...[args.outputGrad, args.hGrad, args.cGrad],
    ],
    lengths,
    (...results) => {
      const [x, h0, c0, weight, bias, wci, wcf, wco] = lengths.map(
        (length) => new Float64Array(length),
      ) as [Float64Array, ...Float64Array[]] as Float64Array[];
      const sums = { x, h0, c0, weight, bias, wci, wcf, wco } as Sums;
      const operands = operandsOf(args);
      for (let b = 0; b < args.batch; b++) backwardOfSequence(args, operands, sums, b);
      Object.values(sums).forEach((values: Float64Array, k) => {
        results[k]!.set(values);
      });
    },
  );
  const [x, h0, c0, weight, bias, wci, wcf, wco] = grads.map((storage, k) =>
    lengths[k]! > 0 ? storage : null,
  ) as (Storage | null)[];
  return { x, h0, c0, weight, bias, wci, wcf, wco } as ConvLstmGradients;
}

function backwardOfSequence(
  args: ConvLstmBackwardArguments,
  operands: Operands,
  sums: Sums,
  b: number,
): void {
  const { batch, time, wants } = args;
  const size = args.hiddenDim * args.height * args.width;
  const inputSize = args.inputDim * args.height * args.width;
  const frameOf = (t: number) => (args.timeMajor ? t * batch + b : b * time + t);
  const zeros = new Float32Array(size);
  const part = (values: Float32Array | null, frame: number) =>
    values ? values.subarray(frame * size, (frame + 1) * size) : zeros;
  const output = valuesOf(args.output);
  const saved = valuesOf(args.saved);
  const outputGrad = optionalValuesOf(args.outputGrad);

  const hGrad = Float64Array.from(part(optionalValuesOf(args.hGrad), b));
  const cGrad = Float64Array.from(part(optionalValuesOf(args.cGrad), b));
  const gates = new Float64Array(4 * size);
  for (let t = time - 1; t >= 0; t--) {
    const frame = frameOf(t);
    const hBefore = t > 0 ? part(output, frameOf(t - 1)) : part(optionalValuesOf(args.h0), b);
    const cBefore = t > 0 ? part(saved, frameOf(t - 1)) : part(optionalValuesOf(args.c0), b);
    const hSeen = maskedH(args, operands, b, hBefore);
    const ofOutput = part(outputGrad, frame);
    for (let k = 0; k < size; k++) hGrad[k]! += ofOutput[k]!;
    convolveGates(gates, args, operands, frame * inputSize, hSeen);
    gateGradients(gates, args, operands, sums, frame * size, cBefore, hGrad, cGrad);

    const { ofX, ofH } = convolutionFrames(args, frame * inputSize);
    if (wants.bias) addPlanes(sums.bias, gates);
    if (wants.weight) {
      addWeightGradient(sums.weight, ofX, gates, operands.x);
      addWeightGradient(sums.weight, ofH, gates, hSeen);
    }
    if (wants.x) addInputGradient(sums.x, ofX, gates, operands.weight);
    const ofSeen = new Float64Array(size);
    addInputGradient(ofSeen, ofH, gates, operands.weight);
    const mask = operands.recurrentMask;
    for (let k = 0; k < size; k++) hGrad[k]! += ofSeen[k]! * (mask ? mask[b * size + k]! : 1);
  }
  if (wants.h0) sums.h0.set(hGrad, b * size);
  if (wants.c0) sums.c0.set(cGrad, b * size);
}

/**
 * Replaces the gate sums of a step by their gradients, and the gradients of h and c by those of the step
 * before, without the part that passes through the convolution.
 */
function gateGradients(
  gates: Float64Array,
  args: ConvLstmBackwardArguments,
  operands: Operands,
  sums: Sums,
  outputOffset: number,
  cBefore: Float32Array,
  hGrad: Float64Array,
  cGrad: Float64Array,
): void {
  const { wci, wcf, wco } = operands;
  const size = cBefore.length;
  for (let k = 0; k < size; k++) {
    const p = peepholeIndex(args, k);
    const before = cBefore[k]!;
    const { i, f, g, o, c } = cellOf(gates, size, k, p, before, operands);
    const zh = kept(operands.zoneoutH, outputOffset + k);
    const zc = kept(operands.zoneoutC, outputOffset + k);
    const tanh = Math.tanh(c);
    const dh = (1 - zh) * hGrad[k]!;
    const oGrad = dh * tanh * o * (1 - o);
    const dc = dh * o * (1 - tanh * tanh) + (1 - zc) * cGrad[k]! + (wco ? oGrad * wco[p]! : 0);
    const iGrad = dc * g * i * (1 - i);
    const fGrad = dc * before * f * (1 - f);
    gates[k] = iGrad;
    gates[size + k] = fGrad;
    gates[2 * size + k] = oGrad;
    gates[3 * size + k] = dc * i * (1 - g * g);
    hGrad[k] = zh * hGrad[k]!;
    cGrad[k] = zc * cGrad[k]! + dc * f + (wci ? iGrad * wci[p]! : 0) + (wcf ? fGrad * wcf[p]! : 0);
    if (sums.wci.length > 0) {
      sums.wci[p]! += iGrad * before;
      sums.wcf[p]! += fGrad * before;
      sums.wco[p]! += oGrad * c;
    }
  }
}
