import { conv2d, reshape } from '../functional/index.js';
import { checkCount, checkFlag, checkNames } from '../options.js';
import { expectTensor } from '../tensor/operands.js';
import { refuseShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { initialWeights } from './conv2d.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

/** Options of `Linear`, with PyTorch's names and defaults. */
export interface LinearOptions {
  /** Size of the last axis of the input. */
  inFeatures: number;
  /** Size of the last axis of the output. */
  outFeatures: number;
  /** Default true. */
  bias?: boolean | undefined;
}

/**
 * `x * weight^T + bias`, as PyTorch's `nn.Linear`. State-dict keys: `weight` [outFeatures, inFeatures]
 * and `bias` [outFeatures].
 *
 * @example
 * ```ts
 * const classify = new Linear({ inFeatures: 64, outFeatures: 10 });
 * const logits = classify.forward(h.mean([2, 3])); // global average pooling of [B, 64, H, W]
 * ```
 */
export class Linear extends Module {
  /** Size of the last axis of the input. */
  readonly inFeatures: number;
  /** Size of the last axis of the output. */
  readonly outFeatures: number;
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures]; null without bias. */
  readonly bias: Parameter | null;

  /** @throws ConvLSTMError ERR_OPTION for an unknown option or a value out of range */
  constructor(options: LinearOptions) {
    super();
    checkNames('Linear', options, { inFeatures: true, outFeatures: true, bias: true });
    this.inFeatures = checkCount('inFeatures', options.inFeatures);
    this.outFeatures = checkCount('outFeatures', options.outFeatures);
    const bias = checkFlag('bias', options.bias ?? true);
    const shape = [this.outFeatures, this.inFeatures];
    this.weight = new Parameter(initialWeights(shape, this.inFeatures));
    this.bias = bias ? new Parameter(initialWeights([this.outFeatures], this.inFeatures)) : null;
  }

  /**
   * @param x [..., inFeatures]
   * @returns [..., outFeatures]
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE
   */
  forward(x: Tensor): Tensor {
    const { inFeatures, outFeatures } = this;
    expectTensor('input', x);
    if (x.shape.at(-1) !== inFeatures) {
      refuseShape('input', `[..., ${inFeatures}]`, x.shape);
    }
    // A 1x1 convolution over frames of one pixel, one frame per row.
    using rows = reshape(x, [x.size / inFeatures, inFeatures, 1, 1]);
    using weight = reshape(this.weight, [outFeatures, inFeatures, 1, 1]);
    using y = conv2d(rows, weight, this.bias, { precision: this.precision });
    return reshape(y, x.shape.with(-1, outFeatures));
  }
}
