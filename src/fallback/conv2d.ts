import type {
  Conv2dArguments,
  Conv2dBackwardArguments,
  Conv2dGradients,
  Storage,
} from '../../binding.js';
import {
  addConvolution,
  addInputGradient,
  addWeightGradient,
  type ConvolutionFrame,
} from './convolution.js';
import { compute, computeOne, optionalValuesOf, valuesOf } from './storage.js';

type Sizes4 = readonly [number, number, number, number];

/** The frames of a batch for `convolution.ts`. */
function framesOf(args: Conv2dArguments): ConvolutionFrame[] {
  const { stride, padding, dilation, weightShape } = args;
  const [batch, channels, height, width] = args.xShape as Sizes4;
  const [, , kernelHeight, kernelWidth] = weightShape as Sizes4;
  const outSize = (axis: 0 | 1, size: number, kernel: number) =>
    Math.floor((size + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1) / stride[axis]) + 1;
  return Array.from({ length: batch }, (_, b) => ({
    inputOffset: b * channels * height * width,
    channels,
    height,
    width,
    weightShape,
    firstChannel: 0,
    stride,
    padding,
    dilation,
    outSize: [outSize(0, height, kernelHeight), outSize(1, width, kernelWidth)],
  }));
}

/** Ignores `precision`: always accumulates in float64. */
export function conv2d(args: Conv2dArguments): Storage {
  const frames = framesOf(args);
  const outChannels = args.weightShape[0]!;
  const pixels = frames[0] ? frames[0].outSize[0] * frames[0].outSize[1] : 0;
  const inputs = args.bias ? [args.x, args.weight, args.bias] : [args.x, args.weight];
  return computeOne(inputs, frames.length * outChannels * pixels, (out) => {
    const bias = optionalValuesOf(args.bias);
    const sums = new Float64Array(outChannels * pixels);
    frames.forEach((frame, b) => {
      for (let o = 0; o < outChannels; o++) {
        sums.fill(bias ? bias[o]! : 0, o * pixels, (o + 1) * pixels);
      }
      addConvolution(sums, frame, valuesOf(args.x), valuesOf(args.weight));
      out.set(sums, b * sums.length);
    });
  });
}

export function conv2dBackward(args: Conv2dBackwardArguments): Conv2dGradients {
  const { wants } = args;
  const frames = framesOf(args);
  const outChannels = args.weightShape[0]!;
  const length = (wanted: boolean, storage: Storage) => (wanted ? storage.length : 0);
  const [x, weight, bias] = compute(
    [args.x, args.weight, args.grad],
    [length(wants.x, args.x), length(wants.weight, args.weight), wants.bias ? outChannels : 0],
    (xGrad, weightGrad, biasGrad) => {
      const grads = valuesOf(args.grad);
      const size = frames.length > 0 ? grads.length / frames.length : 0;
      const ofX = new Float64Array(xGrad!.length);
      const ofWeight = new Float64Array(weightGrad!.length);
      const ofBias = new Float64Array(biasGrad!.length);
      frames.forEach((frame, b) => {
        const grad = grads.subarray(b * size, (b + 1) * size);
        if (wants.x) addInputGradient(ofX, frame, grad, valuesOf(args.weight));
        if (wants.weight) addWeightGradient(ofWeight, frame, grad, valuesOf(args.x));
        if (wants.bias) addPlanes(ofBias, grad);
      });
      xGrad!.set(ofX);
      weightGrad!.set(ofWeight);
      biasGrad!.set(ofBias);
    },
  );
  return {
    x: wants.x ? x! : null,
    weight: wants.weight ? weight! : null,
    bias: wants.bias ? bias! : null,
  };
}

/** Adds the sum of each plane of `values`, [planes, pixels], to `sums`, [planes]. */
export function addPlanes(sums: Float64Array, values: ArrayLike<number>): void {
  const pixels = values.length / sums.length;
  for (let k = 0; k < values.length; k++) sums[Math.floor(k / pixels)]! += values[k]!;
}
