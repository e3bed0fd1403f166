/** Checks of shapes and axes, and broadcasting. */
import type { Shape } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { refuseOption } from '../options.js';

/** Limit of a tensor's elements: sizes in bytes stay exact in a double. */
const kMaxElements = 2 ** 40;

/** Limit of a tensor's axes, in the addon too. */
export const kMaxRank = 64;

/** `[1, 10, 3]` */
export function formatShape(shape: readonly (number | string)[]): string {
  return `[${shape.join(', ')}]`;
}

export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** @param name of the tensor, after the operation's if the caller needs it: `conv2d: weight` */
export function refuseShape(name: string, expected: string, got: Shape): never {
  throw new ConvLSTMError('ERR_SHAPE', `${name}: expected ${expected}, got ${formatShape(got)}`);
}

/** @throws ConvLSTMError ERR_SHAPE unless both are equal */
export function expectShape(name: string, expected: Shape, got: Shape): void {
  if (!sameShape(expected, got)) refuseShape(name, formatShape(expected), got);
}

/** @throws ConvLSTMError ERR_OPTION for anything but a list of numbers */
export function checkNumbers(name: string, expected: string, list: readonly number[]): void {
  if (!Array.isArray(list) || list.some((entry) => typeof entry !== 'number')) {
    refuseOption(name, expected, list);
  }
}

/** @returns a copy of a caller's shape */
export function checkShape(shape: Shape): number[] {
  const expected = 'a list of non-negative integers';
  checkNumbers('shape', expected, shape);
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 0)) {
    refuseShape('shape', expected, shape);
  }
  if (shape.length > kMaxRank) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `shape: expected at most ${kMaxRank} axes, got ${shape.length}`,
    );
  }
  // Without zeros: their product is 0 even where the other sizes overflow.
  const product = shape.reduce((count: number, size: number) => count * Math.max(size, 1), 1);
  if (product > kMaxElements) {
    throw new ConvLSTMError(
      'ERR_OUT_OF_MEMORY',
      `shape: expected at most ${kMaxElements} elements, got ${formatShape(shape)}`,
    );
  }
  return [...shape];
}

/** @returns the axis, a negative one counted from the end */
export function checkAxis(operation: string, axis: number, rank: number): number {
  const expected = `an axis from ${-rank} to ${rank - 1}`;
  if (typeof axis !== 'number') refuseOption(operation, expected, axis);
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw new ConvLSTMError('ERR_SHAPE', `${operation}: expected ${expected}, got ${axis}`);
  }
  return positive;
}

/** @returns non-negative, ascending, unique axes; all axes for undefined */
export function checkAxes(
  operation: string,
  axes: number | readonly number[] | undefined,
  rank: number,
): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = typeof axes === 'number' ? [axes] : axes;
  checkNumbers(operation, 'an axis or a list of axes', list);
  const positive = list.map((axis) => checkAxis(operation, axis, rank));
  const unique = [...new Set(positive)].sort((a, b) => a - b);
  if (unique.length !== list.length) {
    throw new ConvLSTMError('ERR_SHAPE', `${operation}: axes ${formatShape(list)} repeat an axis`);
  }
  return unique;
}

/** The shape that both broadcast to by NumPy's rules. */
export function broadcastShapes(operation: string, a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let axis = 1; axis <= rank; axis++) {
    const left = a[a.length - axis] ?? 1;
    const right = b[b.length - axis] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `${operation}: ${formatShape(a)} and ${formatShape(b)} do not broadcast`,
      );
    }
    out[rank - axis] = left === 1 ? right : left;
  }
  return out;
}

/** @throws ConvLSTMError ERR_SHAPE unless there is one element */
export function checkOneElement(operation: string, shape: readonly number[]): void {
  if (elementCount(shape) !== 1) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `${operation}: expected a tensor of one element, got ${formatShape(shape)}`,
    );
  }
}
