import { types } from 'node:util';
import { ConvLSTMError, show } from '../errors.js';
import { refuseOption } from '../options.js';

/**
 * Row-major values with a shape: what the readers of this package return and its writers take.
 * `Tensor.from`, streams and state dicts accept it too.
 */
export interface NdArray {
  /** Values in row-major order. */
  data: Float32Array;
  /** Sizes of the axes, outermost first; `[]` for a single number. */
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
 * @throws ConvLSTMError ERR_DTYPE for a typed array of other elements, ERR_OPTION for anything else
 * @internal
 */
export function refuseValues(name: string, expected: string, data: unknown, got = data): never {
  if (!types.isTypedArray(data) || types.isFloat32Array(data)) refuseOption(name, expected, got);
  throw new ConvLSTMError('ERR_DTYPE', `${name}: expected ${expected}, got ${show(got)}`);
}

/**
 * @throws ConvLSTMError ERR_DTYPE for elements other than float32, ERR_OPTION for anything else but
 *   { data, shape }, ERR_SHAPE for a shape of another number of elements
 * @internal
 */
export function checkNdArray(name: string, array: Readonly<NdArray>): void {
  if (!types.isFloat32Array(array?.data) || !Array.isArray(array.shape)) {
    refuseValues(name, '{ data: Float32Array, shape }', array?.data, array);
  }
  const { data, shape } = array;
  const count = safeElementCount(shape);
  if (count !== data.length) {
    const message = `${name}: expected ${count} values for [${shape.join(', ')}], got ${data.length}`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
}
