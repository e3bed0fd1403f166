import type { ConvLstmArguments, ConvLstmResult } from '../../binding.js';
import { addConvolution } from './convolution.js';
import { compute, optionalValuesOf, valuesOf } from './storage.js';
import { sigmoid } from './unary.js';

/**
 * One layer over a whole sequence, exact whatever `precision` says:
 *
 *   i = sigmoid(W_i * [x_t, h_{t-1}] + b_i (+ Wci . c_{t-1}))
 *   f = sigmoid(W_f * [x_t, h_{t-1}] + b_f (+ Wcf . c_{t-1}))
 *   o = sigmoid(W_o * [x_t, h_{t-1}] + b_o (+ Wco . c_t))
 *   g = tanh   (W_g * [x_t, h_{t-1}] + b_g)
 *   c_t = f . c_{t-1} + i . g        h_t = o . tanh(c_t)
 *
 * An even kernel has its extra zero below and to the right.
 */
export function convLstm(args: ConvLstmArguments): ConvLstmResult {
  const { batch, time, inputDim, hiddenDim, height, width } = args;
  const inputFrame = inputDim * height * width;
  const stateFrame = hiddenDim * height * width;
  const [output, h, c] = compute(
    [args.x, args.weight, args.bias, args.wci, args.wcf, args.wco, args.h0, args.c0],
    [batch * time * stateFrame, batch * stateFrame, batch * stateFrame],
    (output, h, c) => {
      if (args.h0) h!.set(valuesOf(args.h0));
      if (args.c0) c!.set(valuesOf(args.c0));
      const x = valuesOf(args.x);
      const sums = new Float64Array(4 * stateFrame);
      for (let b = 0; b < batch; b++) {
        const hOfSequence = h!.subarray(b * stateFrame, (b + 1) * stateFrame);
        const cOfSequence = c!.subarray(b * stateFrame, (b + 1) * stateFrame);
        for (let t = 0; t < time; t++) {
          const frame = args.timeMajor ? t * batch + b : b * time + t;
          convolveGates(sums, args, x, frame * inputFrame, hOfSequence);
          updateState(sums, args, hOfSequence, cOfSequence);
          output!.set(hOfSequence, frame * stateFrame);
        }
      }
    },
  );
  return { output: output!, h: h!, c: c!, saved: null };
}

/** sums[4 * hiddenDim, height, width] = bias + weight * [x, h] */
function convolveGates(
  sums: Float64Array,
  args: ConvLstmArguments,
  x: Float32Array,
  xOffset: number,
  h: Float32Array,
): void {
  const { inputDim, hiddenDim, height, width, kernelHeight, kernelWidth } = args;
  const bias = optionalValuesOf(args.bias);
  const pixels = height * width;
  for (let row = 0; row < 4 * hiddenDim; row++) {
    sums.fill(bias ? bias[row]! : 0, row * pixels, (row + 1) * pixels);
  }
  const common = {
    height,
    width,
    weight: valuesOf(args.weight),
    weightShape: [4 * hiddenDim, inputDim + hiddenDim, kernelHeight, kernelWidth],
    stride: [1, 1],
    padding: [(kernelHeight - 1) >> 1, (kernelWidth - 1) >> 1],
    dilation: [1, 1],
    outSize: [height, width],
  } as const;
  addConvolution(sums, {
    ...common,
    input: x,
    inputOffset: xOffset,
    channels: inputDim,
    firstChannel: 0,
  });
  addConvolution(sums, {
    ...common,
    input: h,
    inputOffset: 0,
    channels: hiddenDim,
    firstChannel: inputDim,
  });
}

/** h and c of one sequence go from step t - 1 to step t. */
function updateState(
  sums: Float64Array,
  args: ConvLstmArguments,
  h: Float32Array,
  c: Float32Array,
): void {
  const { peephole } = args;
  const wci = optionalValuesOf(args.wci);
  const wcf = optionalValuesOf(args.wcf);
  const wco = optionalValuesOf(args.wco);
  const pixels = args.height * args.width;
  const size = c.length;
  for (let k = 0; k < size; k++) {
    // The weight of this element: none, one for the channel, or one of its own.
    const p = peephole === 'channel' ? Math.floor(k / pixels) : k;
    const before = c[k]!;
    const i = sigmoid(sums[k]! + (wci ? wci[p]! * before : 0));
    const f = sigmoid(sums[size + k]! + (wcf ? wcf[p]! * before : 0));
    const g = Math.tanh(sums[3 * size + k]!);
    const after = f * before + i * g;
    const o = sigmoid(sums[2 * size + k]! + (wco ? wco[p]! * after : 0));
    c[k] = after;
    h[k] = o * Math.tanh(after);
  }
}
