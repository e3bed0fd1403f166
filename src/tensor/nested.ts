/** Conversion between nested and flat arrays. */
import type { Shape } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { checkShape, kMaxRank } from './shape.js';

/** A number, or arrays of arrays of numbers. */
export type NestedArray = number | NestedArray[];
/** `NestedArray` of read-only arrays. */
export type ReadonlyNestedArray = number | readonly ReadonlyNestedArray[];

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return value === null ? 'null' : typeof value;
}

/** Accepts equal rows of numbers only; an error names the place: `data[1][2]`. */
export function flatten(nested: ReadonlyNestedArray): { values: Float32Array; shape: number[] } {
  const sizes: number[] = [];
  // One level above the limit, so that an array that contains itself ends here.
  for (let level: unknown = nested; Array.isArray(level) && sizes.length <= kMaxRank; ) {
    sizes.push(level.length);
    level = level[0];
  }
  const shape = checkShape(sizes);
  // Grows with the data: the size that the first rows promise may exceed any memory.
  const values: number[] = [];
  const visit = (node: unknown, depth: number, path: string): void => {
    if (depth === shape.length) {
      if (typeof node !== 'number') {
        throw new ConvLSTMError('ERR_DTYPE', `${path}: expected a number, got ${describe(node)}`);
      }
      values.push(node);
      return;
    }
    if (!Array.isArray(node)) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `${path}: expected ${shape[depth]} entries, got ${describe(node)}`,
      );
    }
    if (node.length !== shape[depth]) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `${path}: expected ${shape[depth]} entries, got ${node.length}`,
      );
    }
    for (let k = 0; k < node.length; k++) visit(node[k], depth + 1, `${path}[${k}]`);
  };
  visit(nested, 0, 'data');
  return { values: Float32Array.from(values), shape };
}

export function nest(values: Float32Array, shape: Shape): NestedArray {
  let next = 0;
  const build = (axis: number): NestedArray => {
    if (axis === shape.length) return values[next++]!;
    return Array.from({ length: shape[axis]! }, () => build(axis + 1));
  };
  return build(0);
}
