import { record } from '../autograd/tape.js';
import { ConvLSTMError, kindOf } from '../errors.js';
import { deviceOf, expectTensor, runTensor } from '../tensor/operands.js';
import { checkAxis, formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { unsqueeze } from './reshape.js';
import { slice } from './slice.js';

function checkParts(operation: string, parts: readonly Tensor[]): Tensor {
  if (!Array.isArray(parts) || parts.length === 0) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `${operation}: parts: expected a list of at least one tensor, got ${kindOf(parts)}`,
    );
  }
  parts.forEach((part, index) => {
    expectTensor(`${operation}: parts[${index}]`, part);
  });
  return parts[0]!;
}

/**
 * The parts one after another along an axis; their other sizes are equal.
 *
 * @throws ConvLSTMError ERR_SHAPE for other sizes that differ, ERR_OPTION for an empty list, ERR_DEVICE
 * @example
 * ```ts
 * Tensor.concat([Tensor.zeros([2, 3]), Tensor.ones([1, 3])]).shape; // [3, 3]
 * ```
 */
export function concat(parts: readonly Tensor[], axis = 0): Tensor {
  const first = checkParts('concat', parts);
  const names = parts.map((_, index) => `parts[${index}]`);
  const operands = Object.fromEntries(names.map((name, index) => [name, parts[index]!]));
  const device = deviceOf('concat', operands);
  const along = checkAxis('concat', axis, first.shape.length);
  const shape = [...first.shape];
  shape[along] = 0;
  parts.forEach((part, index) => {
    const fits =
      part.shape.length === shape.length &&
      part.shape.every((size, k) => k === along || size === shape[k]);
    if (!fits) {
      const expected = first.shape.map((size, k) => (k === along ? 'any' : size));
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `concat: parts[${index}]: expected ${formatShape(expected)}, got ${formatShape(part.shape)}`,
      );
    }
    shape[along]! += part.shape[along]!;
  });
  const shapes = parts.map((part) => part.shape);
  const y = runTensor(device, shape, (backend) =>
    backend.concat(
      parts.map((part) => part.storage),
      shapes,
      along,
    ),
  );
  record(operands, y, {}, (grad, _, wants) => {
    const leading = new Array<null>(along).fill(null);
    let start = 0;
    const grads = shapes.map((partShape, part) => {
      const begin = start;
      start += partShape[along]!;
      return wants[names[part]!] ? slice(grad, [...leading, begin], [...leading, start]) : null;
    });
    return Object.fromEntries(names.map((name, part) => [name, grads[part]!]));
  });
  return y;
}

/**
 * Parts of one shape along a new axis.
 *
 * @throws ConvLSTMError ERR_SHAPE for shapes that differ, ERR_OPTION for an empty list, ERR_DEVICE
 * @example
 * ```ts
 * Tensor.stack([Tensor.zeros([3]), Tensor.ones([3])]).shape; // [2, 3]
 * ```
 */
export function stack(parts: readonly Tensor[], axis = 0): Tensor {
  const first = checkParts('stack', parts);
  parts.forEach((part, index) => {
    if (!sameShape(part.shape, first.shape)) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `stack: parts[${index}]: expected ${formatShape(first.shape)}, got ${formatShape(part.shape)}`,
      );
    }
  });
  const rows = parts.map((part) => unsqueeze(part, axis));
  try {
    return concat(rows, axis);
  } finally {
    for (const row of rows) row.dispose();
  }
}
