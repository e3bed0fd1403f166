/** Operations that move no elements: the result shares the storage of its source. */
import { record } from '../autograd/tape.js';
import { ConvLSTMError } from '../errors.js';
import { expectTensor } from '../tensor/operands.js';
import { checkAxes, checkAxis, checkShape, elementCount, formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * The same elements in another shape; one size may be -1 and follows from the others. Shares the memory.
 *
 * @throws ConvLSTMError ERR_SHAPE for another number of elements
 * @example
 * ```ts
 * Tensor.zeros([2, 6]).reshape([3, -1]).shape; // [3, 4]
 * ```
 */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  expectTensor('reshape: x', x);
  const unknown = Array.isArray(shape) ? shape.indexOf(-1) : -1;
  const sizes = checkShape(unknown < 0 ? shape : shape.with(unknown, 1));
  if (unknown >= 0) sizes[unknown] = x.size / elementCount(sizes);
  if (!sizes.every(Number.isInteger) || elementCount(sizes) !== x.size) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `reshape: ${formatShape(x.shape)} has ${x.size} elements and does not fit ${formatShape(shape)}`,
    );
  }
  const y = x.share(sizes);
  const source = x.shape;
  record({ x }, y, {}, (grad) => ({ x: grad.share(source) }));
  return y;
}

/** Another tensor on the same memory: disposing one leaves the other. */
export function clone(x: Tensor): Tensor {
  expectTensor('clone: x', x);
  return reshape(x, x.shape);
}

/**
 * Joins the axes from `startAxis` to `endAxis`, both included, into one; default: all. Shares the memory.
 *
 * @throws ConvLSTMError ERR_SHAPE for an axis out of range, or `startAxis` after `endAxis`
 */
export function flatten(x: Tensor, startAxis = 0, endAxis = -1): Tensor {
  expectTensor('flatten: x', x);
  if (x.shape.length === 0) return reshape(x, [1]);
  const start = checkAxis('flatten', startAxis, x.shape.length);
  const end = checkAxis('flatten', endAxis, x.shape.length);
  if (start > end) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `flatten: startAxis ${startAxis} comes after endAxis ${endAxis}`,
    );
  }
  const joined = elementCount(x.shape.slice(start, end + 1));
  return reshape(x, x.shape.toSpliced(start, end - start + 1, joined));
}

/**
 * Removes the named axes, which have size 1; default: all axes of size 1. Shares the memory.
 *
 * @throws ConvLSTMError ERR_SHAPE for an axis out of range or of another size
 */
export function squeeze(x: Tensor, axes?: number | readonly number[]): Tensor {
  expectTensor('squeeze: x', x);
  const dropped = checkAxes('squeeze', axes, x.shape.length);
  if (axes === undefined)
    return reshape(
      x,
      x.shape.filter((size) => size !== 1),
    );
  for (const axis of dropped) {
    if (x.shape[axis] !== 1) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `squeeze: axis ${axis} of ${formatShape(x.shape)} has size ${x.shape[axis]}, not 1`,
      );
    }
  }
  return reshape(
    x,
    x.shape.filter((_, axis) => !dropped.includes(axis)),
  );
}

/**
 * Inserts an axis of size 1 at position `axis` of the result. Shares the memory.
 *
 * @throws ConvLSTMError ERR_SHAPE for an axis out of range
 */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  expectTensor('unsqueeze: x', x);
  const at = checkAxis('unsqueeze', axis, x.shape.length + 1);
  return reshape(x, x.shape.toSpliced(at, 0, 1));
}
