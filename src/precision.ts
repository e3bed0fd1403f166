import type { Precision } from '../binding.js';
import { checkChoice } from './options.js';

let processPrecision: Precision = 'highest';

/** @internal */
export const kPrecisions: readonly Precision[] = ['highest', 'high', 'medium'];

/** @internal */
export function checkPrecision(precision: Precision): Precision {
  return checkChoice('precision', precision, kPrecisions);
}

/**
 * Sets the precision of convolutions for the whole process, by PyTorch's names. A module keeps the
 * precision that `to({ precision })` gave it.
 *
 * - `'highest'` (the default): as accurate as a direct float32 convolution, outputs within 1e-5
 * - `'high'`: outputs within 1e-4
 * - `'medium'`: bfloat16 products with float32 accumulation, outputs within 2e-2
 *
 * Spiky values make larger errors: at most 2e-7, 2e-6 and 4e-3 times the largest sum of
 * |weight * value| over the products of a gate.
 *
 * @throws ConvLSTMError ERR_OPTION for another name
 * @example
 * ```ts
 * setFloat32Precision('medium');
 * ```
 */
export function setFloat32Precision(precision: Precision): void {
  processPrecision = checkPrecision(precision);
}

/**
 * The precision of the process: that of `setFloat32Precision`, else `'highest'`.
 *
 * @example
 * ```ts
 * getFloat32Precision(); // 'highest'
 * ```
 */
export function getFloat32Precision(): Precision {
  return processPrecision;
}
