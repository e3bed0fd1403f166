import { conv2d } from '../functional/index.js';
import { checkCount, checkFlag, checkNames, checkSize, type Size } from '../options.js';
import { uniformValues } from '../tensor/random.js';
import { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

/** Options of `Conv2d`, with PyTorch's names and defaults. */
export interface Conv2dOptions {
  /** Channels of the input. */
  inChannels: number;
  /** Channels of the output. */
  outChannels: number;
  /** 3, or [height, width]. */
  kernelSize: Size;
  /** Default 1. */
  stride?: Size | undefined;
  /** Zeros added on each side of height and width; default 0. */
  padding?: Size | undefined;
  /** Default 1. */
  dilation?: Size | undefined;
  /** Default true. */
  bias?: boolean | undefined;
}

/** PyTorch's default: uniform in [-1 / sqrt(fanIn), 1 / sqrt(fanIn)). */
export function initialWeights(shape: readonly number[], fanIn: number): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  const count = shape.reduce((product, size) => product * size, 1);
  return Tensor.from(uniformValues(count, -bound, bound), shape);
}

/**
 * A convolution layer, as PyTorch's `nn.Conv2d`. State-dict keys: `weight`
 * [outChannels, inChannels, kh, kw] and `bias` [outChannels]. The forward pass is at least as precise
 * as `to({ precision })` asks, on every device (`conv2d`'s `precision`).
 *
 * @example
 * ```ts
 * const head = new Conv2d({ inChannels: 64, outChannels: 1, kernelSize: 3, padding: 1 });
 * head.forward(h).shape; // [B, 1, H, W]
 * ```
 */
export class Conv2d extends Module {
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** [height, width] */
  readonly kernelSize: readonly [number, number];
  /** [vertical, horizontal] */
  readonly stride: readonly [number, number];
  /** Zeros added on each side of [height, width]. */
  readonly padding: readonly [number, number];
  /** [vertical, horizontal] */
  readonly dilation: readonly [number, number];
  /** [outChannels, inChannels, kh, kw] */
  readonly weight: Parameter;
  /** [outChannels]; null without bias. */
  readonly bias: Parameter | null;

  /** @throws ConvLSTMError ERR_OPTION for an unknown option or a value out of range */
  constructor(options: Conv2dOptions) {
    super();
    checkNames('Conv2d', options, {
      inChannels: true,
      outChannels: true,
      kernelSize: true,
      stride: true,
      padding: true,
      dilation: true,
      bias: true,
    });
    this.inChannels = checkCount('inChannels', options.inChannels);
    this.outChannels = checkCount('outChannels', options.outChannels);
    this.kernelSize = checkSize('kernelSize', options.kernelSize);
    this.stride = checkSize('stride', options.stride ?? 1);
    this.padding = checkSize('padding', options.padding ?? 0, 0);
    this.dilation = checkSize('dilation', options.dilation ?? 1);
    const bias = checkFlag('bias', options.bias ?? true);

    const fanIn = this.inChannels * this.kernelSize[0] * this.kernelSize[1];
    const shape = [this.outChannels, this.inChannels, ...this.kernelSize];
    this.weight = new Parameter(initialWeights(shape, fanIn));
    this.bias = bias ? new Parameter(initialWeights([this.outChannels], fanIn)) : null;
  }

  /**
   * @param x [B, inChannels, H, W]
   * @returns [B, outChannels, H', W']
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE
   */
  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, {
      stride: this.stride,
      padding: this.padding,
      dilation: this.dilation,
      precision: this.precision,
    });
  }
}
