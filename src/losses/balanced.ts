import { abs, add, greater, mul, square, sub } from '../functional/index.js';
import { refuseOption } from '../options.js';
import { Tensor } from '../tensor/tensor.js';
import { checkAlike, kReduction, type LossOptions, reduceLoss } from './reduction.js';

/** Options of `balancedMseMae`. */
export interface BalancedLossOptions extends LossOptions {
  /**
   * Ascending thresholds in the units of the target; default [2, 5, 10, 30], rain rates in mm/h. A target
   * in other units, such as pixel values, needs the thresholds in those units.
   */
  thresholds?: readonly number[] | undefined;
  /**
   * Weights, one more than thresholds: below the first threshold, from the first on, and so on; default
   * [1, 2, 5, 10, 30].
   */
  weights?: readonly number[] | undefined;
}

function checkSteps(thresholds: readonly number[], weights: readonly number[]): void {
  if (!Array.isArray(thresholds)) refuseOption('thresholds', 'a list of numbers', thresholds);
  if (!Array.isArray(weights)) refuseOption('weights', 'a list of numbers', weights);
  if (weights.length !== thresholds.length + 1) {
    refuseOption('weights', `${thresholds.length + 1} numbers, one more than thresholds`, weights);
  }
  if (![...thresholds, ...weights].every(Number.isFinite)) {
    refuseOption('thresholds and weights', 'finite numbers', [...thresholds, ...weights]);
  }
  if (thresholds.some((threshold, index) => index > 0 && threshold <= thresholds[index - 1]!)) {
    refuseOption('thresholds', 'ascending numbers', thresholds);
  }
}

/** Weight of each element: the last weight, minus the weight steps of the thresholds above the target. */
function weightsOf(
  target: Tensor,
  thresholds: readonly number[],
  weights: readonly number[],
): Tensor {
  let sum = Tensor.full(target.shape, weights.at(-1)!, { device: target.device });
  for (const [index, threshold] of thresholds.entries()) {
    using below = greater(threshold, target);
    using difference = mul(below, weights[index + 1]! - weights[index]!);
    using before = sum;
    sum = sub(before, difference);
  }
  return sum;
}

/**
 * B-MSE + B-MAE of Shi et al. 2017 ("Deep learning for precipitation nowcasting"): squared plus absolute
 * error, each pixel weighted by its true rain rate, since heavy rain is rare. The paper reports sums over
 * a frame: `mean` times the number of pixels.
 *
 * @param target same shape as `input`
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const loss = balancedMseMae(forecast, rainRates);
 * ```
 */
export function balancedMseMae(
  input: Tensor,
  target: Tensor,
  options: BalancedLossOptions = {},
): Tensor {
  checkAlike('balancedMseMae', input, target, options, {
    ...kReduction,
    thresholds: true,
    weights: true,
  });
  const { thresholds = [2, 5, 10, 30], weights = [1, 2, 5, 10, 30] } = options;
  checkSteps(thresholds, weights);
  using weight = weightsOf(target, thresholds, weights);
  using difference = sub(input, target);
  using squared = square(difference);
  using absolute = abs(difference);
  using error = add(squared, absolute);
  return reduceLoss(mul(weight, error), options);
}
