import { record } from '../autograd/tape.js';
import { ConvLSTMError } from '../errors.js';
import { deviceOf, expectTensor, runTensor } from '../tensor/operands.js';
import { checkAxis, checkNumbers, formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Reorders the axes: axis `k` of the result is axis `order[k]` of `x`.
 *
 * @throws ConvLSTMError ERR_SHAPE unless `order` names each axis once
 */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const device = deviceOf('permute', { x });
  const rank = x.shape.length;
  checkNumbers('permute: order', 'a list of axes', order);
  const axes = order.map((axis) => checkAxis('permute', axis, rank));
  if (axes.length !== rank || new Set(axes).size !== rank) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `permute: order ${formatShape(order)} does not name each axis of ${formatShape(x.shape)} once`,
    );
  }
  const shape = axes.map((axis) => x.shape[axis]!);
  const y = runTensor(device, shape, (backend) => backend.permute(x.storage, x.shape, axes));
  record({ x }, y, {}, (grad) => ({
    x: permute(
      grad,
      axes.map((_, axis) => axes.indexOf(axis)),
    ),
  }));
  return y;
}

/**
 * Exchanges two axes; default: the last two.
 *
 * @throws ConvLSTMError ERR_SHAPE for an axis out of range
 */
export function transpose(x: Tensor, axisA = -2, axisB = -1): Tensor {
  expectTensor('transpose: x', x);
  const a = checkAxis('transpose', axisA, x.shape.length);
  const b = checkAxis('transpose', axisB, x.shape.length);
  const order = x.shape.map((_, axis) => axis);
  order[a] = b;
  order[b] = a;
  return permute(x, order);
}
