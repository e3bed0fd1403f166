import { abs, minimum, mul, square, sub } from '../functional/index.js';
import { checkPositive } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkAlike, kReduction, type LossOptions, reduceLoss } from './reduction.js';

/**
 * Squared error, as PyTorch's `mse_loss`.
 *
 * @param target same shape as `input`
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const loss = mseLoss(net.forward(x).output, target);
 * loss.backward();
 * ```
 */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkAlike('mseLoss', input, target, options, kReduction);
  using difference = sub(input, target);
  return reduceLoss(square(difference), options);
}

/**
 * Absolute error, as PyTorch's `l1_loss`.
 *
 * @param target same shape as `input`
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const perPixel = l1Loss(forecast, target, { reduction: 'none' });
 * ```
 */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkAlike('l1Loss', input, target, options, kReduction);
  using difference = sub(input, target);
  return reduceLoss(abs(difference), options);
}

/** Options of `huberLoss`. */
export interface HuberLossOptions extends LossOptions {
  /** Error at which the square turns into a straight line; default 1. */
  delta?: number | undefined;
}

/**
 * Huber loss: d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2), as PyTorch's `huber_loss`.
 *
 * @param target same shape as `input`
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const loss = huberLoss(forecast, target, { delta: 0.1 });
 * ```
 */
export function huberLoss(input: Tensor, target: Tensor, options: HuberLossOptions = {}): Tensor {
  checkAlike('huberLoss', input, target, options, { ...kReduction, delta: 1 });
  const delta = checkPositive('delta', options.delta ?? 1);
  using difference = sub(input, target);
  using error = abs(difference);
  // m (|d| - m / 2) with m = min(|d|, delta) covers both cases.
  using inner = minimum(error, delta);
  using half = mul(inner, 0.5);
  using rest = sub(error, half);
  return reduceLoss(mul(inner, rest), options);
}
