/** Conversion of a caller's data to float32 elements and a shape. */
import type { Shape } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { refuseOption } from '../options.js';
import { flatten, type ReadonlyNestedArray } from './nested.js';
import { checkShape, elementCount, formatShape } from './shape.js';

/** Any typed array, Node's `Buffer` included; each value is converted to float32. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Tensors of onnxruntime, TensorFlow.js and npy readers, as they are or converted in one line. */
export interface TensorLike {
  /** Elements in row-major order. */
  data: TypedArray | readonly number[];
  /** Sizes of the axes, the slowest-varying first. */
  shape: readonly number[];
  /** Type of the elements; `'float16'` and `'bfloat16'` mark bits in integer arrays, which are refused. */
  dtype?: string | undefined;
  /** Must not be true: column-major elements are refused. */
  fortranOrder?: boolean | undefined;
}

/** Data that `Tensor.from` accepts besides a tensor. */
export type TensorSource = ReadonlyNestedArray | TypedArray | TensorLike;

export interface Elements {
  values: Float32Array;
  shape: readonly number[];
}

function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function toFloat32(values: TypedArray): Float32Array {
  if (values instanceof Float32Array) return values;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return Float32Array.from(values, Number);
  }
  return new Float32Array(values);
}

function checkArrayLike(source: TensorLike): void {
  if (source.fortranOrder) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      'fortranOrder: true is not supported; elements must lie in row-major order',
    );
  }
  const bits = source.dtype === 'float16' || source.dtype === 'bfloat16';
  if (bits && (source.data instanceof Uint16Array || source.data instanceof Int16Array)) {
    throw new ConvLSTMError(
      'ERR_DTYPE',
      `data: expected numbers, got the bits of ${source.dtype} in a ${source.data.constructor.name}`,
    );
  }
}

function withShape(values: Float32Array, shape: Shape): Elements {
  const checked = checkShape(shape);
  if (elementCount(checked) !== values.length) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `data has ${values.length} elements but shape ${formatShape(checked)} has ${elementCount(checked)}`,
    );
  }
  return { values, shape: checked };
}

/** Returns the caller's own Float32Array where there is nothing to convert. */
export function toElements(source: TensorSource, shape: Shape | undefined): Elements {
  if (isTypedArray(source)) return withShape(toFloat32(source), shape ?? [source.length]);
  if (typeof source === 'number' || Array.isArray(source)) {
    const elements = flatten(source);
    return shape ? withShape(elements.values, shape) : elements;
  }
  if (typeof source === 'object' && source !== null && 'data' in source && 'shape' in source) {
    checkArrayLike(source);
    if (isTypedArray(source.data) || Array.isArray(source.data)) {
      return toElements(source.data, shape ?? source.shape);
    }
  }
  refuseOption(
    'data',
    'a number, nested arrays of numbers, a typed array or { data, shape }',
    source,
  );
}
