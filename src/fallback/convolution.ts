import type { Pair, Shape } from '../../binding.js';

/** One frame of a convolution's input, and the range of the weights' input channels for it. */
export interface ConvolutionFrame {
  /** Index of the frame's first element in the input; the frame is [channels, height, width]. */
  inputOffset: number;
  channels: number;
  height: number;
  width: number;
  /** [outChannels, all input channels, kernelHeight, kernelWidth] */
  weightShape: Shape;
  /** Input channel of the weights for channel 0 of the frame. */
  firstChannel: number;
  stride: Pair;
  /** Zeros above and to the left; the output's size determines those below and to the right. */
  padding: Pair;
  dilation: Pair;
  /** [outHeight, outWidth] */
  outSize: Pair;
}

/**
 * Calls `meet` for each weight and each row of outputs: the weight connects outputs `out` to `outEnd`,
 * contiguous, with the inputs from `input` on, `stride` apart.
 *
 * Padding only bounds the rows, once per weight, so the caller's innermost loop has no condition.
 */
function forEachRow(
  frame: ConvolutionFrame,
  meet: (weight: number, out: number, outEnd: number, input: number, stride: number) => void,
): void {
  const { channels, height, width, firstChannel } = frame;
  const [outChannels, weightChannels, kernelHeight, kernelWidth] = frame.weightShape as [
    number,
    number,
    number,
    number,
  ];
  const [outHeight, outWidth] = frame.outSize;
  const [strideY, strideX] = frame.stride;
  for (let o = 0; o < outChannels; o++) {
    for (let channel = 0; channel < channels; channel++) {
      const plane = frame.inputOffset + channel * height * width;
      const kernel = (o * weightChannels + firstChannel + channel) * kernelHeight * kernelWidth;
      for (let ky = 0; ky < kernelHeight; ky++) {
        const shiftY = ky * frame.dilation[0] - frame.padding[0];
        const [yBegin, yEnd] = covered(outHeight, height, strideY, shiftY);
        for (let kx = 0; kx < kernelWidth; kx++) {
          const shiftX = kx * frame.dilation[1] - frame.padding[1];
          const [xBegin, xEnd] = covered(outWidth, width, strideX, shiftX);
          const weight = kernel + ky * kernelWidth + kx;
          for (let y = yBegin; y < yEnd; y++) {
            const input = plane + (y * strideY + shiftY) * width + xBegin * strideX + shiftX;
            const row = (o * outHeight + y) * outWidth;
            meet(weight, row + xBegin, row + xEnd, input, strideX);
          }
        }
      }
    }
  }
}

/** Range [begin, end) of the outputs whose input `output * stride + shift` is in [0, inputs). */
function covered(outputs: number, inputs: number, stride: number, shift: number): Pair {
  const begin = Math.max(0, Math.ceil(-shift / stride));
  const end = Math.min(outputs, Math.floor((inputs - 1 - shift) / stride) + 1);
  return [begin, Math.max(begin, end)];
}

/** Adds the convolution of one frame to `sums`, [outChannels, outHeight, outWidth]. */
export function addConvolution(
  sums: Float64Array,
  frame: ConvolutionFrame,
  input: ArrayLike<number>,
  weight: ArrayLike<number>,
): void {
  forEachRow(frame, (at, out, outEnd, from, stride) => {
    const w = weight[at]!;
    for (; out < outEnd; out++, from += stride) sums[out]! += w * input[from]!;
  });
}

/** Adds the gradient of the frame, computed from that of the outputs, to `sums` in the input's layout. */
export function addInputGradient(
  sums: Float64Array,
  frame: ConvolutionFrame,
  grad: ArrayLike<number>,
  weight: ArrayLike<number>,
): void {
  forEachRow(frame, (at, out, outEnd, from, stride) => {
    const w = weight[at]!;
    for (; out < outEnd; out++, from += stride) sums[from]! += w * grad[out]!;
  });
}

/** Adds the weights' gradient, computed from that of the outputs, to `sums` in the weights' layout. */
export function addWeightGradient(
  sums: Float64Array,
  frame: ConvolutionFrame,
  grad: ArrayLike<number>,
  input: ArrayLike<number>,
): void {
  forEachRow(frame, (at, out, outEnd, from, stride) => {
    let sum = 0;
    for (; out < outEnd; out++, from += stride) sum += grad[out]! * input[from]!;
    sums[at]! += sum;
  });
}
