import type { ReduceOp } from '../../binding.js';
import { record } from '../autograd/tape.js';
import { ConvLSTMError } from '../errors.js';
import { checkNames } from '../options.js';
import { deviceOf, runTensor } from '../tensor/operands.js';
import { checkAxes, elementCount, formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { div, equal, mul } from './binary.js';
import { expand } from './expand.js';
import { reshape } from './reshape.js';

/** Options of `sum`, `mean` and `max`. */
export interface ReduceOptions {
  /** Keeps each reduced axis with size 1; default false. */
  keepDim?: boolean | undefined;
}

/** One axis or several; negative axes count from the end. Default: all axes. */
export type Axes = number | readonly number[];

function reduce(op: ReduceOp, x: Tensor, axes: Axes | undefined, options: ReduceOptions): Tensor {
  const device = deviceOf(op, { x });
  checkNames(op, options, { keepDim: true });
  const reduced = checkAxes(op, axes, x.shape.length);
  if (op === 'max' && reduced.some((axis) => x.shape[axis] === 0)) {
    throw new ConvLSTMError('ERR_SHAPE', `max: ${formatShape(x.shape)} has no elements to compare`);
  }
  if (reduced.length === 0) return reshape(x, x.shape);
  const kept = x.shape.map((size, axis) => (reduced.includes(axis) ? 1 : size));
  const shape = options.keepDim ? kept : x.shape.filter((_, axis) => !reduced.includes(axis));
  const y = runTensor(device, shape, (backend) => backend.reduce(op, x.storage, x.shape, reduced));
  const source = x.shape;
  if (op === 'max') {
    record({ x }, y, { x, y }, (grad, saved) => {
      using whole = reshape(grad, kept);
      using largest = reshape(saved.y, kept);
      return { x: maxGrad(whole, saved.x, largest, reduced) };
    });
  } else {
    const factor = op === 'mean' ? elementCount(shape) / elementCount(source) : 1;
    record({ x }, y, {}, (grad) => {
      using whole = reshape(grad, kept);
      return { x: expand(whole, source, factor) };
    });
  }
  return y;
}

/** Divides `grad` evenly among all elements equal to the largest. */
function maxGrad(grad: Tensor, x: Tensor, largest: Tensor, axes: readonly number[]): Tensor {
  using ties = equal(x, largest);
  using count = sum(ties, axes, { keepDim: true });
  using share = div(grad, count);
  return mul(ties, share);
}

/**
 * The sum over axes; 0 for no elements.
 *
 * @throws ConvLSTMError ERR_SHAPE for an axis out of range or named twice
 * @example
 * ```ts
 * await Tensor.from([[1, 2], [3, 4]]).sum(0).toArray(); // [4, 6]
 * ```
 */
export function sum(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce('sum', x, axes, options);
}

/**
 * The mean over axes; NaN for no elements.
 *
 * @throws ConvLSTMError ERR_SHAPE for an axis out of range or named twice
 */
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce('mean', x, axes, options);
}

/**
 * The largest element over axes; NaN if one is NaN.
 *
 * @throws ConvLSTMError ERR_SHAPE for no elements, or an axis out of range or named twice
 */
export function max(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce('max', x, axes, options);
}
