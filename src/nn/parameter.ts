import { expectTensor } from '../tensor/operands.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * A learned tensor, which `Module` finds among its properties. Requires a gradient. Shares the values of
 * the tensor given.
 *
 * @example
 * ```ts
 * class Scale extends Module {
 *   factor = new Parameter(Tensor.ones([1]));
 *   forward(x: Tensor) {
 *     return x.mul(this.factor);
 *   }
 * }
 * ```
 */
export class Parameter extends Tensor {
  /**
   * Letters of the gates packed along axis 0, in order: `ifog` for ConvLSTM; '' without gates.
   *
   * @internal
   */
  readonly gates: string;

  constructor(data: Tensor, options: { gates?: string } = {}) {
    expectTensor('Parameter', data);
    super(data.retain(), data.shape, data.device);
    this.requiresGrad = true;
    this.gates = options.gates ?? '';
  }
}
