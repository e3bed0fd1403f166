import { types } from 'node:util';
import { ConvLSTMError, show } from '../errors.js';

/**
 * What the readers of this package return and its writers take: row-major values with a shape.
 * `Tensor.from`, streams and state dicts take it as it is.
 */
export interface NdArray {
  /** In row-major order. */
  data: Float32Array;
  /** Sizes of the axes, the slowest first; `[]` for a single number. */
  shape: number[];
}

/**
 * The product of `shape`, or null when an entry is no non-negative safe integer or the product is
 * beyond what a number counts exactly.
 *
 * @internal
 */
export function safeElementCount(shape: readonly unknown[]): number | null {
  let count = 1;
  let empty = false;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || (size as number) < 0) return null;
    if (size === 0) empty = true;
    else count *= size as number;
    if (count > Number.MAX_SAFE_INTEGER) return null;
  }
  return empty ? 0 : count;
}

/**
 * @throws ConvLSTMError ERR_DTYPE for anything but float32 with a shape, ERR_SHAPE when they do not fit
 * @internal
 */
export function checkNdArray(name: string, array: Readonly<NdArray>): void {
  if (!types.isFloat32Array(array?.data) || !Array.isArray(array.shape)) {
    const message = `${name}: expected { data: Float32Array, shape }, got ${show(array)}`;
    throw new ConvLSTMError('ERR_DTYPE', message);
  }
  const { data, shape } = array;
  const count = safeElementCount(shape);
  if (count !== data.length) {
    const message = `${name}: expected ${count} values for [${shape.join(', ')}], got ${data.length}`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
}
