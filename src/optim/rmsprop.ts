import type { RmspropResult } from '../../binding.js';
import { checkAtLeastZero } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Optimizer, type ParameterGroupOptions, type Update } from './optimizer.js';

/** Hyperparameters of `RMSprop`, with PyTorch's names and defaults. */
export interface RMSpropOptions {
  /** Learning rate; default 1e-2. */
  lr: number;
  /** Decay of the running mean of squared gradients; default 0.99. */
  alpha: number;
  /** Added to the denominator; default 1e-8. */
  eps: number;
  /** Momentum; default 0. */
  momentum: number;
  /** L2 penalty, added to the gradient as this times the parameter; default 0. */
  weightDecay: number;
}

const kDefaults: RMSpropOptions = { lr: 1e-2, alpha: 0.99, eps: 1e-8, momentum: 0, weightDecay: 0 };

/**
 * RMSprop, same formulas as PyTorch's `RMSprop`: the optimizer of Shi et al. 2015.
 *
 * @example
 * ```ts
 * const rmsprop = new RMSprop(net.parameters(), { lr: 1e-3, alpha: 0.9 });
 * ```
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(
    parameters: Iterable<Tensor | ParameterGroupOptions<RMSpropOptions>>,
    options: Partial<RMSpropOptions> = {},
  ) {
    super('RMSprop', parameters, kDefaults, options);
  }

  /** @internal */
  protected override check(options: RMSpropOptions): void {
    for (const name of ['alpha', 'eps', 'momentum', 'weightDecay'] as const) {
      checkAtLeastZero(name, options[name]);
    }
  }

  /** @internal */
  protected override update(update: Update<RMSpropOptions>): RmspropResult {
    const { backend, parameter, grad, state } = update;
    const { lr, alpha, eps, momentum, weightDecay } = update.group;
    return backend.rmspropStep({
      parameter,
      grad,
      squareAverage: state('squareAverage'),
      buffer: momentum === 0 ? null : state('buffer'),
      lr,
      alpha,
      eps,
      momentum,
      weightDecay,
    });
  }
}
