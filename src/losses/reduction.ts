/** What the losses have in common: checks of their operands and the last step. */
import { ConvLSTMError, show } from '../errors.js';
import { mean, sum } from '../functional/index.js';
import { deviceOf } from '../functional/run.js';
import { checkNames } from '../options.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** One number for all elements, their mean or their sum, or the losses of the elements as they are. */
export type Reduction = 'mean' | 'sum' | 'none';

/** Options of a loss. */
export interface LossOptions {
  /** Default `'mean'`. */
  reduction?: Reduction | undefined;
}

/**
 * @param own options beside those that all losses have
 * @throws ConvLSTMError ERR_DEVICE, ERR_DTYPE unless both are tensors on one device, ERR_OPTION for an
 *   option that is unknown
 */
export function checkCall(
  loss: string,
  input: Tensor,
  target: Tensor,
  options: LossOptions,
  own: readonly string[] = [],
): void {
  deviceOf(loss, { input, target });
  checkNames(loss, options, ['reduction', ...own]);
}

/** @throws ConvLSTMError as `checkCall`, and ERR_SHAPE unless both have one shape */
export function checkAlike(...call: Parameters<typeof checkCall>): void {
  checkCall(...call);
  const [loss, input, target] = call;
  if (!sameShape(input.shape, target.shape)) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `${loss}: target: expected ${formatShape(input.shape)} as the input, got ${formatShape(target.shape)}`,
    );
  }
}

/** Takes over `losses`. */
export function reduceLoss(losses: Tensor, options: LossOptions): Tensor {
  const { reduction = 'mean' } = options;
  if (reduction === 'none') return losses;
  try {
    if (reduction === 'mean') return mean(losses);
    if (reduction === 'sum') return sum(losses);
  } finally {
    losses.dispose();
  }
  throw new ConvLSTMError(
    'ERR_OPTION',
    `reduction: expected 'mean', 'sum' or 'none', got ${show(reduction)}`,
  );
}
