import { expectTensor } from '../functional/run.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * A tensor that a module learns: `Module` finds parameters among its properties. Requires a gradient
 * from the start. Shares the values of the tensor it is made from.
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
   * One letter for each gate that axis 0 packs, in order, `ifog` for a ConvLSTM's; '' for none.
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
