import type { AdamResult } from '../../binding.js';
import { checkAtLeastZero, refuseOption } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { Optimizer, type ParameterGroupOptions, type Update } from './optimizer.js';

/** Hyperparameters of `Adam` and `AdamW`, with PyTorch's names and defaults. */
export interface AdamOptions {
  /** Learning rate; default 1e-3. */
  lr: number;
  /** Decay of the running means of gradients and of squared gradients; default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the denominator; default 1e-8. */
  eps: number;
  /** `Adam`: L2 penalty, added to the gradient as this times the parameter; default 0. `AdamW`: see there. */
  weightDecay: number;
}

const kDefaults: AdamOptions = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 };

const isProbability = (beta: unknown) => typeof beta === 'number' && beta >= 0 && beta < 1;

abstract class AdamFamily extends Optimizer<AdamOptions> {
  /** @internal */
  protected abstract readonly decoupled: boolean;

  /** @internal */
  protected override check({ betas, eps, weightDecay }: AdamOptions): void {
    checkAtLeastZero('eps', eps);
    checkAtLeastZero('weightDecay', weightDecay);
    if (!Array.isArray(betas) || betas.length !== 2 || !betas.every(isProbability)) {
      refuseOption('betas', 'two numbers from 0 to below 1', betas);
    }
  }

  /** @internal */
  protected override update(update: Update<AdamOptions>): AdamResult {
    const { backend, parameter, grad, state, step, group } = update;
    return backend.adamStep({
      parameter,
      grad,
      average: state('average'),
      squareAverage: state('squareAverage'),
      step,
      lr: group.lr,
      beta1: group.betas[0],
      beta2: group.betas[1],
      eps: group.eps,
      weightDecay: group.weightDecay,
      decoupled: this.decoupled,
    });
  }
}

/**
 * Adam (Kingma and Ba 2015), same formulas as PyTorch's `Adam`.
 *
 * @example
 * ```ts
 * const adam = new Adam(net.parameters(), { lr: 1e-3 });
 * const loss = mseLoss(net.forward(x).output, target);
 * adam.zeroGrad();
 * loss.backward();
 * adam.step();
 * ```
 */
export class Adam extends AdamFamily {
  /** @internal */
  protected override readonly decoupled = false;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(
    parameters: Iterable<Tensor | ParameterGroupOptions<AdamOptions>>,
    options: Partial<AdamOptions> = {},
  ) {
    super('Adam', parameters, kDefaults, options);
  }
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), same formulas as PyTorch's `AdamW`. Each
 * step first multiplies every parameter by 1 - lr * weightDecay; default `weightDecay` 0.01.
 *
 * @example
 * ```ts
 * const { encoder, head } = net;
 * const adam = new AdamW([
 *   { parameters: encoder.parameters(), lr: 1e-4 },
 *   { parameters: head.parameters(), weightDecay: 0 },
 * ]);
 * ```
 */
export class AdamW extends AdamFamily {
  /** @internal */
  protected override readonly decoupled = true;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(
    parameters: Iterable<Tensor | ParameterGroupOptions<AdamOptions>>,
    options: Partial<AdamOptions> = {},
  ) {
    super('AdamW', parameters, { ...kDefaults, weightDecay: 1e-2 }, options);
  }
}
