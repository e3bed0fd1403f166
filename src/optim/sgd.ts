import type { SgdResult } from '../../binding.js';
import { checkAtLeastZero, refuseOption } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Optimizer, type ParameterGroupOptions, type Update } from './optimizer.js';

/** Hyperparameters of `SGD`, with PyTorch's names and defaults. */
export interface SGDOptions {
  /** Learning rate; default 1e-3. */
  lr: number;
  /** Momentum; default 0. */
  momentum: number;
  /** Fraction of the gradient left out of the momentum buffer; default 0. */
  dampening: number;
  /** Whether momentum is Nesterov's; default false. */
  nesterov: boolean;
  /** L2 penalty, added to the gradient as this times the parameter; default 0. */
  weightDecay: number;
}

const kDefaults: SGDOptions = {
  lr: 1e-3,
  momentum: 0,
  dampening: 0,
  nesterov: false,
  weightDecay: 0,
};

/**
 * Stochastic gradient descent, same formulas as PyTorch's `SGD`.
 *
 * @example
 * ```ts
 * const sgd = new SGD(net.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true });
 * sgd.zeroGrad();
 * mseLoss(net.forward(x).output, target).backward();
 * sgd.step();
 * ```
 */
export class SGD extends Optimizer<SGDOptions> {
  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(
    parameters: Iterable<Tensor | ParameterGroupOptions<SGDOptions>>,
    options: Partial<SGDOptions> = {},
  ) {
    super('SGD', parameters, kDefaults, options);
  }

  /** @internal */
  protected override check({ momentum, dampening, nesterov, weightDecay }: SGDOptions): void {
    checkAtLeastZero('momentum', momentum);
    checkAtLeastZero('weightDecay', weightDecay);
    if (nesterov && !(momentum > 0 && dampening === 0)) {
      refuseOption('nesterov', 'momentum above 0 and dampening 0', { momentum, dampening });
    }
  }

  /** @internal */
  protected override update({ backend, group, state, ...operands }: Update<SGDOptions>): SgdResult {
    const { lr, momentum, dampening, nesterov, weightDecay } = group;
    const buffer = momentum === 0 ? null : state('buffer');
    const { parameter, grad } = operands;
    return backend.sgdStep({
      parameter,
      grad,
      buffer,
      lr,
      momentum,
      dampening,
      nesterov,
      weightDecay,
    });
  }
}
