/**
 * Scores of forecasts. Each function compares two frames of equal length. A pixel whose truth is NaN is
 * missing: it does not count.
 */
import { types } from 'node:util';
import { ConvLSTMError } from '../errors.js';
import { refuseValues } from '../io/nd-array.js';

/** @internal */
export function checkValues(name: string, values: Float32Array): void {
  if (types.isFloat32Array(values)) return;
  refuseValues(name, 'a Float32Array', values);
}

function checkLength(forecast: Float32Array, truth: Float32Array): void {
  checkValues('forecast', forecast);
  checkValues('truth', truth);
  if (forecast.length !== truth.length || truth.length === 0) {
    const message = `forecast: expected ${truth.length} values like the truth, got ${forecast.length}`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
}

/**
 * Squared error summed over the frame: the MSE of the Moving MNIST literature. Pixels whose truth is NaN are
 * missing and do not count.
 *
 * @throws ConvLSTMError ERR_SHAPE for unequal lengths, ERR_DTYPE or ERR_OPTION for anything but a
 *   Float32Array
 * @example
 * ```ts
 * squaredError(Float32Array.of(0, 1), Float32Array.of(0.5, 1));   // 0.25
 * ```
 */
export function squaredError(forecast: Float32Array, truth: Float32Array): number {
  checkLength(forecast, truth);
  let sum = 0;
  for (let i = 0; i < truth.length; i++) {
    if (!Number.isNaN(truth[i])) sum += (forecast[i]! - truth[i]!) ** 2;
  }
  return sum;
}

/**
 * Absolute error summed over the frame: the literature's MAE. Pixels whose truth is NaN are
 * missing and do not count.
 *
 * @throws ConvLSTMError ERR_SHAPE for unequal lengths, ERR_DTYPE or ERR_OPTION for anything but a
 *   Float32Array
 * @example
 * ```ts
 * absoluteError(Float32Array.of(0, 1), Float32Array.of(0.5, 1));   // 0.5
 * ```
 */
export function absoluteError(forecast: Float32Array, truth: Float32Array): number {
  checkLength(forecast, truth);
  let sum = 0;
  for (let i = 0; i < truth.length; i++) {
    if (!Number.isNaN(truth[i])) sum += Math.abs(forecast[i]! - truth[i]!);
  }
  return sum;
}

/** PyTorch's lower bound of the logarithms in `binary_cross_entropy`. */
const kLogFloor = -100;

/**
 * Cross-entropy summed over the frame, -t log p - (1 - t) log(1 - p), both between 0 and 1. Logarithms
 * are clamped at -100, as in PyTorch's `binary_cross_entropy`. Pixels whose truth is NaN are missing and do
 * not count.
 *
 * @throws ConvLSTMError ERR_SHAPE for unequal lengths, ERR_DTYPE or ERR_OPTION for anything but a
 *   Float32Array
 * @example
 * ```ts
 * crossEntropy(Float32Array.of(0.5), Float32Array.of(1));   // 0.693...
 * ```
 */
export function crossEntropy(forecast: Float32Array, truth: Float32Array): number {
  checkLength(forecast, truth);
  let sum = 0;
  for (let i = 0; i < truth.length; i++) {
    const [p, t] = [forecast[i]!, truth[i]!];
    if (Number.isNaN(t)) continue;
    sum -= t * Math.max(Math.log(p), kLogFloor) + (1 - t) * Math.max(Math.log1p(-p), kLogFloor);
  }
  return sum;
}
