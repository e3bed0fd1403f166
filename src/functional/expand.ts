/** Broadcasting and its reverse, for the gradients of sums and of broadcast operands. */
import type { Shape } from '../../binding.js';
import { runTensor } from '../tensor/operands.js';
import { sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * Sums `x` over the axes along which a tensor of `shape` was broadcast.
 *
 * @internal
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x.detach();
  const lead = x.shape.length - shape.length;
  const axes = [...x.shape.keys()].filter((axis) => (shape[axis - lead] ?? 1) !== x.shape[axis]);
  const leading = Array.from({ length: lead }, (_, axis) => axis);
  const reduced = [...new Set([...leading, ...axes])].sort((a, b) => a - b);
  return runTensor(x.device, shape, (backend) =>
    backend.reduce('sum', x.storage, x.shape, reduced),
  );
}

/**
 * `x` times `factor`, broadcast to `shape`.
 *
 * @internal
 */
export function expand(x: Tensor, shape: Shape, factor = 1): Tensor {
  using scale = Tensor.full([], factor, { device: x.device });
  return runTensor(x.device, shape, (backend) =>
    backend.binary('mul', x.storage, x.shape, scale.storage, [], shape),
  );
}
