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
  /** Leaves each reduced axis in place with size 1; default false. */
  keepDim?: boolean | undefined;
}

/** One axis or several, negative ones counted from the end; all where none are named. */
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

/** Shares `grad` evenly among the elements that are the largest. */
function maxGrad(grad: Tensor, x: Tensor, largest: Tensor, axes: readonly number[]): Tensor {
  using ties = equal(x, largest);
  using count = sum(ties, axes, { keepDim: true });
  using share = div(grad, count);
  return mul(ties, share);
}

/** The sum over axes; 0 over none. */
export function sum(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce('sum', x, axes, options);
}

/** The mean over axes; NaN where there are no elements. */
export function mean(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce('mean', x, axes, options);
}

/**
 * The largest element over axes; NaN where one is.
 *
 * @throws ConvLSTMError ERR_SHAPE where there are no elements
 */
export function max(x: Tensor, axes?: Axes, options: ReduceOptions = {}): Tensor {
  return reduce('max', x, axes, options);
}
