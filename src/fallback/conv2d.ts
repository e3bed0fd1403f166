import type { Conv2dArguments, Storage } from '../../binding.js';
import { addConvolution } from './convolution.js';
import { computeOne, optionalValuesOf, valuesOf } from './storage.js';

/** Exact whatever `precision` says. */
export function conv2d(args: Conv2dArguments): Storage {
  const { stride, padding, dilation, weightShape } = args;
  const [batch, channels, height, width] = args.xShape as [number, number, number, number];
  const [outChannels, , kernelHeight, kernelWidth] = weightShape as [
    number,
    number,
    number,
    number,
  ];
  const outSize = (axis: 0 | 1, size: number, kernel: number) =>
    Math.floor((size + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1) / stride[axis]) + 1;
  const outHeight = outSize(0, height, kernelHeight);
  const outWidth = outSize(1, width, kernelWidth);
  const frame = outChannels * outHeight * outWidth;
  const inputs = args.bias ? [args.x, args.weight, args.bias] : [args.x, args.weight];
  return computeOne(inputs, batch * frame, (out) => {
    const bias = optionalValuesOf(args.bias);
    const sums = new Float64Array(frame);
    for (let b = 0; b < batch; b++) {
      for (let o = 0; o < outChannels; o++) {
        sums.fill(bias ? bias[o]! : 0, o * outHeight * outWidth, (o + 1) * outHeight * outWidth);
      }
      addConvolution(sums, {
        input: valuesOf(args.x),
        inputOffset: b * channels * height * width,
        channels,
        height,
        width,
        weight: valuesOf(args.weight),
        weightShape,
        firstChannel: 0,
        stride,
        padding,
        dilation,
        outSize: [outHeight, outWidth],
      });
      out.set(sums, b * frame);
    }
  });
}
