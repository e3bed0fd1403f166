import type { Shape } from '../../binding.js';

/** A longer axis shows its first and last two entries. */
const kLongestAxis = 6;
const kShownAtEachEnd = 2;

function formatNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(5);
}

/** Of more elements, the axes before the last two show their first entry alone. */
const kManyElements = 1000;

/** Nested brackets, one row per line. */
export function formatTensor(values: Float32Array, shape: Shape): string {
  const many = values.length > kManyElements;
  const build = (axis: number, offset: number, stride: number): string => {
    if (axis === shape.length) return formatNumber(values[offset]!);
    const size = shape[axis]!;
    const inner = size === 0 ? 0 : stride / size;
    const parts: string[] = [];
    for (let k = 0; k < size; k++) {
      if (many && axis < shape.length - 2 && k === 1) {
        parts.push('...');
        break;
      }
      if (size > kLongestAxis && k === kShownAtEachEnd) {
        parts.push('...');
        k = size - kShownAtEachEnd;
      }
      parts.push(build(axis + 1, offset + k * inner, inner));
    }
    const separator = axis === shape.length - 1 ? ', ' : `,\n${' '.repeat(axis + 1)}`;
    return `[${parts.join(separator)}]`;
  };
  return build(0, 0, values.length);
}
