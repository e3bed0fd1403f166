import { record } from '../autograd/tape.js';
import { ConvLSTMError } from '../errors.js';
import { checkNumber, refuseOption } from '../options.js';
import { deviceOf, expectTensor, runTensor } from '../tensor/operands.js';
import { checkAxis, formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { reshape } from './reshape.js';

/** One bound per axis, first axis first; null, and axes beyond the list, for the whole axis. */
export type Bounds = readonly (number | null)[];

/** Clips a bound as Python does: negative ones count from the end. */
function clip(index: number, size: number): number {
  return index < 0 ? Math.max(0, index + size) : Math.min(index, size);
}

function checkBounds(name: string, bounds: Bounds, rank: number, least: number): void {
  if (
    !Array.isArray(bounds) ||
    bounds.some((bound) => !(typeof bound === 'number' || bound === null))
  ) {
    refuseOption(`slice: ${name}`, 'a list of numbers and nulls', bounds);
  }
  if (bounds.length > rank) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `slice: ${name} has ${bounds.length} entries but the tensor has ${rank} axes`,
    );
  }
  for (const bound of bounds) {
    if (bound !== null && (!Number.isInteger(bound) || bound < least)) {
      const integers = least > 0 ? `integers of at least ${least}` : 'integers';
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `slice: ${name}: expected ${integers}, got ${formatShape(bounds.map(String))}`,
      );
    }
  }
}

/**
 * `x[starts[0]:ends[0]:steps[0], starts[1]:ends[1]:steps[1], ...]` as in Python, with steps of at
 * least 1.
 *
 * @throws ConvLSTMError ERR_SHAPE for more entries than axes, an entry that is not an integer, or a step
 *   below 1
 * @example
 * ```ts
 * x.slice([0, -3], [null, -1]); // x[0:, -3:-1]
 * ```
 */
export function slice(x: Tensor, starts: Bounds, ends: Bounds = [], steps: Bounds = []): Tensor {
  const device = deviceOf('slice', { x });
  const rank = x.shape.length;
  checkBounds('starts', starts, rank, Number.NEGATIVE_INFINITY);
  checkBounds('ends', ends, rank, Number.NEGATIVE_INFINITY);
  checkBounds('steps', steps, rank, 1);
  const step = x.shape.map((_, axis) => steps[axis] ?? 1);
  const start = x.shape.map((size, axis) => clip(starts[axis] ?? 0, size));
  const shape = x.shape.map((size, axis) => {
    const end = clip(ends[axis] ?? size, size);
    return Math.max(0, Math.ceil((end - start[axis]!) / step[axis]!));
  });
  const y = runTensor(device, shape, (backend) =>
    backend.slice(x.storage, x.shape, start, shape, step),
  );
  const source = x.shape;
  record({ x }, y, {}, (grad) => ({
    x: runTensor(device, source, (backend) =>
      backend.sliceBackward(grad.storage, source, start, shape, step),
    ),
  }));
  return y;
}

/**
 * The slice at `index` of one axis, without that axis; a negative index counts from the end.
 *
 * @throws ConvLSTMError ERR_SHAPE for an axis or an index out of range
 */
export function select(x: Tensor, axis: number, index: number): Tensor {
  expectTensor('select: x', x);
  const at = checkAxis('select', axis, x.shape.length);
  const size = x.shape[at]!;
  checkNumber('select: index', index);
  const from = index < 0 ? index + size : index;
  if (!Number.isInteger(index) || from < 0 || from >= size) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `select: index ${index} is outside axis ${axis} of ${formatShape(x.shape)}`,
    );
  }
  const leading = new Array<null>(at).fill(null);
  const row = slice(x, [...leading, from], [...leading, from + 1]);
  const result = reshape(row, x.shape.toSpliced(at, 1));
  row.dispose();
  return result;
}
