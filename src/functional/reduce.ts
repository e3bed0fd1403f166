import type { ReduceOp } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { checkAxes, formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { reshape } from './reshape.js';
import { deviceOf, runTensor } from './run.js';

/** Options of `sum`, `mean` and `max`. */
export interface ReduceOptions {
  /** Leaves each reduced axis in place with size 1; default false. */
  keepDim?: boolean | undefined;
}

/** One axis or several, negative ones counted from the end; all where none are named. */
export type Axes = number | readonly number[];

function reduce(op: ReduceOp, x: Tensor, axes: Axes | undefined, options: ReduceOptions): Tensor {
  const device = deviceOf(op, { x });
  const reduced = checkAxes(op, axes, x.shape.length);
  if (op === 'max' && reduced.some((axis) => x.shape[axis] === 0)) {
    throw new ConvLSTMError('ERR_SHAPE', `max: ${formatShape(x.shape)} has no elements to compare`);
  }
  const shape: number[] = [];
  x.shape.forEach((size, axis) => {
    if (!reduced.includes(axis)) shape.push(size);
    else if (options.keepDim) shape.push(1);
  });
  if (reduced.length === 0) return reshape(x, x.shape);
  return runTensor(device, shape, (backend) => backend.reduce(op, x.storage, x.shape, reduced));
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
