import type { Precision } from '../../binding.js';
import { record } from '../autograd/tape.js';
import { run } from '../backend.js';
import { ConvLSTMError } from '../errors.js';
import { checkNames, checkSize, type Size } from '../options.js';
import { getFloat32Precision } from '../precision.js';
import { deviceOf, runTensor } from '../tensor/operands.js';
import { expectShape, formatShape, refuseShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/** Options of `conv2d`; a number stands for both height and width. */
export interface Conv2dFunctionOptions {
  /** Default 1. */
  stride?: Size | undefined;
  /** Zeros added on both sides of height and of width; default 0. */
  padding?: Size | undefined;
  /** Default 1. */
  dilation?: Size | undefined;
  /**
   * The forward pass is at least this precise: within 1e-5 of float64 for `'highest'`, 1e-4 for
   * `'high'`, 2e-2 for `'medium'`, times the result or the mean magnitude of `x` where that is
   * above 1. The processor uses it to take larger Winograd tiles; CUDA, the fallback and all
   * gradients are float32-class at every precision. Default: the precision of the process.
   */
  precision?: Precision | undefined;
}

/**
 * Convolution, that is cross-correlation as in PyTorch.
 *
 * @param x [B, Cin, H, W]
 * @param weight [Cout, Cin, kh, kw]
 * @param bias [Cout], or null for none
 * @returns [B, Cout, H', W'] with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1
 * @throws ConvLSTMError ERR_SHAPE for shapes that do not fit, ERR_OPTION for an option out of range,
 *   ERR_DEVICE for several devices
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: Conv2dFunctionOptions = {},
): Tensor {
  const device = deviceOf('conv2d', { input: x, weight, bias });
  checkNames('conv2d', options, { stride: true, padding: true, dilation: true, precision: true });
  const stride = checkSize('conv2d: stride', options.stride ?? 1);
  const padding = checkSize('conv2d: padding', options.padding ?? 0, 0);
  const dilation = checkSize('conv2d: dilation', options.dilation ?? 1);
  const [outChannels, inChannels, kernelHeight, kernelWidth] = weight.shape;
  if (weight.shape.length !== 4 || weight.size === 0) {
    refuseShape('conv2d: weight', '[Cout, Cin, kh, kw]', weight.shape);
  }
  if (x.shape.length !== 4 || x.shape[1] !== inChannels) {
    refuseShape('conv2d: input', `[B, ${inChannels}, H, W]`, x.shape);
  }
  if (bias) expectShape('conv2d: bias', [outChannels!], bias.shape);
  const outSize = (axis: 0 | 1, size: number, kernel: number) =>
    Math.floor((size + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1) / stride[axis]) + 1;
  const outHeight = outSize(0, x.shape[2]!, kernelHeight!);
  const outWidth = outSize(1, x.shape[3]!, kernelWidth!);
  if (outHeight < 1 || outWidth < 1) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `conv2d: input ${formatShape(x.shape)} is smaller than the kernel of weight ${formatShape(weight.shape)}`,
    );
  }
  const shape = [x.shape[0]!, outChannels!, outHeight, outWidth];
  const common = {
    xShape: x.shape,
    weightShape: weight.shape,
    stride,
    padding,
    dilation,
    precision: options.precision ?? getFloat32Precision(),
  };
  const y = runTensor(device, shape, (backend) =>
    backend.conv2d({
      ...common,
      x: x.storage,
      weight: weight.storage,
      bias: bias?.storage ?? null,
    }),
  );
  record({ x, weight, bias }, y, { x, weight }, (grad, { x, weight }, wants) => {
    const grads = run(device, (backend) =>
      backend.conv2dBackward({
        ...common,
        x: x.storage,
        weight: weight.storage,
        bias: null,
        grad: grad.storage,
        wants,
      }),
    );
    return {
      x: grads.x && Tensor.fromStorage(grads.x, common.xShape, device),
      weight: grads.weight && Tensor.fromStorage(grads.weight, common.weightShape, device),
      bias: grads.bias && Tensor.fromStorage(grads.bias, [outChannels!], device),
    };
  });
  return y;
}
