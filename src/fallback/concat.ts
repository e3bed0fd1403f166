import type { Shape, Storage } from '../../binding.js';
import { computeOne, valuesOf } from './storage.js';
import { elementCount } from './strided.js';

export function concat(parts: readonly Storage[], shapes: readonly Shape[], axis: number): Storage {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return computeOne(parts, length, (out) => {
    const outer = elementCount(shapes[0]!.slice(0, axis));
    const rowLength = length / outer; // of the result; NaN if there are no rows
    let column = 0;
    parts.forEach((part, p) => {
      const values = valuesOf(part);
      const run = elementCount(shapes[p]!.slice(axis));
      for (let row = 0; row < outer; row++) {
        out.set(values.subarray(row * run, (row + 1) * run), row * rowLength + column);
      }
      column += run;
    });
  });
}
