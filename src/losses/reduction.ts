/** Checks of operands and the reduction, shared by all losses. */
import { ConvLSTMError } from '../errors.js';
import { mean, sum } from '../functional/index.js';
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
}

/** The one option of most losses, for `checkCall`. */
export const kReduction: Names<LossOptions> = { reduction: 'mean' };

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
  deviceOf(loss, { input, target });
  checkNames(loss, options, known);
  checkChoice('reduction', options.reduction ?? 'mean', ['mean', 'sum', 'none']);
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

/** Takes ownership of `losses`. */
export function reduceLoss(losses: Tensor, options: LossOptions): Tensor {
  if (options.reduction === 'none') return losses;
  try {
    return options.reduction === 'sum' ? sum(losses) : mean(losses);
  } finally {
    losses.dispose();
  }
}
