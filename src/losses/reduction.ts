/** Checks of operands and the reduction, shared by all losses. */
import { ConvLSTMError } from '../errors.js';
import { div, maximum, mean, mul, sum } from '../functional/index.js';
import { checkChoice, checkNames, type Names } from '../options.js';
import { deviceOf } from '../tensor/operands.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** Mean or sum over all elements, or `'none'`: the loss of each element. */
export type Reduction = 'mean' | 'sum' | 'none';

/** Options of a loss. */
export interface LossOptions {
  /** Default `'mean'`. */
  reduction?: Reduction | undefined;
  /**
   * Weight of each element of the target, of its shape, at least 0: the mean becomes the weighted mean. 0
   * for a missing value: the gradient there is 0. The target itself must be finite there. Default: 1.
   */
  weight?: Tensor | undefined;
}

/** The options of most losses, for `checkCall`. */
export const kReduction: Names<LossOptions> = { reduction: 'mean', weight: undefined };

/**
 * @param known every option of the loss
 * @throws ConvLSTMError ERR_OPTION for anything but tensors and for an unknown option, ERR_DEVICE for
 *   tensors on two devices
 */
export function checkCall<T extends LossOptions>(
  loss: string,
  input: Tensor,
  target: Tensor,
  options: T,
  known: NoInfer<Names<T>>,
): void {
  const { weight } = options ?? {};
  deviceOf(loss, { input, target, ...(weight && { weight }) });
  checkNames(loss, options, known);
  checkChoice('reduction', options.reduction ?? 'mean', ['mean', 'sum', 'none']);
  if (weight) expectLike(loss, 'weight', target, weight);
}

/** @throws ConvLSTMError as `checkCall`, and ERR_SHAPE unless both have the same shape */
export function checkAlike<T extends LossOptions>(
  loss: string,
  input: Tensor,
  target: Tensor,
  options: T,
  known: NoInfer<Names<T>>,
): void {
  checkCall(loss, input, target, options, known);
  if (!sameShape(input.shape, target.shape)) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `${loss}: target: expected ${formatShape(input.shape)} as the input, got ${formatShape(target.shape)}`,
    );
  }
}

function expectLike(loss: string, name: string, target: Tensor, got: Tensor): void {
  if (sameShape(target.shape, got.shape)) return;
  const message = `${loss}: ${name}: expected ${formatShape(target.shape)} as the target, got ${formatShape(got.shape)}`;
  throw new ConvLSTMError('ERR_SHAPE', message);
}

/** Sum of weights as a divisor: a batch without a valid value has loss 0, not 0 / 0. */
const kLeastWeight = 1e-12;

/** Takes ownership of `losses`; weights are of its shape. */
export function reduceLoss(losses: Tensor, options: LossOptions): Tensor {
  const { reduction = 'mean', weight } = options;
  if (weight === undefined) return reduce(losses, reduction);
  using own = losses;
  const weighted = mul(own, weight);
  if (reduction !== 'mean') return reduce(weighted, reduction);
  using total = reduce(weighted, 'sum');
  using weights = sum(weight);
  using divisor = maximum(weights, kLeastWeight);
  return div(total, divisor);
}

/** Takes ownership of `losses`. */
function reduce(losses: Tensor, reduction: Reduction): Tensor {
  if (reduction === 'none') return losses;
  try {
    return reduction === 'sum' ? sum(losses) : mean(losses);
  } finally {
    losses.dispose();
  }
}
