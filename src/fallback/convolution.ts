import type { Pair, Shape } from '../../binding.js';

/** One frame of input, convolved with a range of the weights' input channels. */
export interface ConvolutionFrame {
  input: Float32Array;
  /** Where the frame begins in `input`: [channels, height, width]. */
  inputOffset: number;
  channels: number;
  height: number;
  width: number;
  weight: Float32Array;
  /** [outChannels, all input channels, kernelHeight, kernelWidth] */
  weightShape: Shape;
  /** The input channel of the weights that meets channel 0 of the frame. */
  firstChannel: number;
  stride: Pair;
  /** Zeros above and to the left; the size of the sums says what lies below and to the right. */
  padding: Pair;
  dilation: Pair;
  /** [outHeight, outWidth] */
  outSize: Pair;
}

/**
 * Adds the convolution of one frame to `sums`, [outChannels, outHeight, outWidth].
 *
 * Each weight is multiplied with the whole rectangle of pixels it meets, so that padding is a matter
 * of bounds that are found once per weight and the innermost loop is a plain row.
 */
export function addConvolution(sums: Float64Array, frame: ConvolutionFrame): void {
  const { input, channels, height, width, weight, firstChannel } = frame;
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
          const w = weight[kernel + ky * kernelWidth + kx]!;
          for (let y = yBegin; y < yEnd; y++) {
            let from = plane + (y * strideY + shiftY) * width + xBegin * strideX + shiftX;
            const row = (o * outHeight + y) * outWidth;
            for (let to = row + xBegin; to < row + xEnd; to++, from += strideX) {
              sums[to]! += w * input[from]!;
            }
          }
        }
      }
    }
  }
}

/** The outputs [begin, end) whose input `output * stride + shift` lies inside [0, inputs). */
function covered(outputs: number, inputs: number, stride: number, shift: number): Pair {
  const begin = Math.max(0, Math.ceil(-shift / stride));
  const end = Math.min(outputs, Math.floor((inputs - 1 - shift) / stride) + 1);
  return [begin, Math.max(begin, end)];
}
