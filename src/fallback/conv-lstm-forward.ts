import type { ConvLstmArguments, ConvLstmResult } from '../../binding.js';
import {
  cellOf,
  convolveGates,
  kept,
  maskedH,
  type Operands,
  operandsOf,
  peepholeIndex,
} from './conv-lstm-step.js';
import { compute, valuesOf } from './storage.js';

/**
 * One layer over a whole sequence; ignores `precision`:
 *
 *   i = sigmoid(W_i * [x_t, h_{t-1}] + b_i (+ Wci . c_{t-1}))
 *   f = sigmoid(W_f * [x_t, h_{t-1}] + b_f (+ Wcf . c_{t-1}))
 *   o = sigmoid(W_o * [x_t, h_{t-1}] + b_o (+ Wco . c_t))
 *   g = tanh   (W_g * [x_t, h_{t-1}] + b_g)
 *   c_t = f . c_{t-1} + i . g        h_t = o . tanh(c_t)
 *
 * An even kernel has one more zero of padding below and to the right. With `saveEvery` above 0, c of
 * every step is saved, in the output's layout.
 */
export function convLstm(args: ConvLstmArguments): ConvLstmResult {
  const { batch, time, hiddenDim, height, width } = args;
  const inputFrame = args.inputDim * height * width;
  const stateFrame = hiddenDim * height * width;
  const length = batch * time * stateFrame;
  const [output, h, c, saved] = compute(
    [
      ...[args.x, args.weight, args.bias, args.wci, args.wcf, args.wco, args.h0, args.c0],
      ...[args.recurrentMask, args.zoneoutH, args.zoneoutC],
    ],
    [length, batch * stateFrame, batch * stateFrame, args.saveEvery > 0 ? length : 0],
    (output, h, c, saved) => {
      if (args.h0) h!.set(valuesOf(args.h0));
      if (args.c0) c!.set(valuesOf(args.c0));
      const operands = operandsOf(args);
      const sums = new Float64Array(4 * stateFrame);
      for (let b = 0; b < batch; b++) {
        const hOfSequence = h!.subarray(b * stateFrame, (b + 1) * stateFrame);
        const cOfSequence = c!.subarray(b * stateFrame, (b + 1) * stateFrame);
        for (let t = 0; t < time; t++) {
          const frame = args.timeMajor ? t * batch + b : b * time + t;
          const seen = maskedH(args, operands, b, hOfSequence);
          convolveGates(sums, args, operands, frame * inputFrame, seen);
          updateState(sums, args, operands, frame * stateFrame, hOfSequence, cOfSequence);
          output!.set(hOfSequence, frame * stateFrame);
          if (args.saveEvery > 0) saved!.set(cOfSequence, frame * stateFrame);
        }
      }
    },
  );
  return { output: output!, h: h!, c: c!, saved: args.saveEvery > 0 ? saved! : null };
}

/** Advances h and c of one sequence by a step. */
function updateState(
  sums: Float64Array,
  args: ConvLstmArguments,
  operands: Operands,
  outputOffset: number,
  h: Float32Array,
  c: Float32Array,
): void {
  for (let k = 0; k < c.length; k++) {
    const next = cellOf(sums, c.length, k, peepholeIndex(args, k), c[k]!, operands);
    const zh = kept(operands.zoneoutH, outputOffset + k);
    const zc = kept(operands.zoneoutC, outputOffset + k);
    h[k] = zh * h[k]! + (1 - zh) * next.o * Math.tanh(next.c);
    c[k] = zc * c[k]! + (1 - zc) * next.c;
  }
}
