import { types } from 'node:util';
import { ConvLSTMError, show } from '../errors.js';

/**
 * Row-major values with a shape: what the readers of this package return and its writers take.
 * `Tensor.from`, streams and state dicts accept it too.
 */
export interface NdArray {
  /** In row-major order. */
  data: Float32Array;
  /** Sizes of the axes, the slowest first; `[]` for a single number. */
  shape: number[];
}

/**
 * The product of `shape`; null for an entry that is not a non-negative safe integer, or a product above
 * 2^53 - 1, which a number does not count exactly.
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
 * @throws ConvLSTMError ERR_DTYPE for elements other than float32, ERR_OPTION for anything else but
 *   { data, shape }, ERR_SHAPE for a shape of another number of elements
 * @internal
 */
export function checkNdArray(name: string, array: Readonly<NdArray>): void {
  if (!types.isFloat32Array(array?.data) || !Array.isArray(array.shape)) {
    const message = `${name}: expected { data: Float32Array, shape }, got ${show(array)}`;
    const data: unknown = array?.data;
    const other = types.isTypedArray(data) && !types.isFloat32Array(data);
    const code = other ? 'ERR_DTYPE' : 'ERR_OPTION';
    throw new ConvLSTMError(code, message);
  }
  const { data, shape } = array;
  const count = safeElementCount(shape);
  if (count !== data.length) {
    const message = `${name}: expected ${count} values for [${shape.join(', ')}], got ${data.length}`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
}
