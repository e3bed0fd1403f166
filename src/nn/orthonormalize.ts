/** Rows projected out of the others together: this many independent sums hide the latency of each. */
const kBlock = 4;

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** a -= factor * b */
function subtract(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! -= factor * b[i]!;
}

/** Subtracts from `row` its components along four orthonormal rows. */
function project(row: Float64Array, [a, b, c, d]: readonly Float64Array[]): void {
  let alongA = 0;
  let alongB = 0;
  let alongC = 0;
  let alongD = 0;
  for (let i = 0; i < row.length; i++) {
    const value = row[i]!;
    alongA += value * a![i]!;
    alongB += value * b![i]!;
    alongC += value * c![i]!;
    alongD += value * d![i]!;
  }
  for (let i = 0; i < row.length; i++) {
    row[i]! -= alongA * a![i]! + alongB * b![i]! + alongC * c![i]! + alongD * d![i]!;
  }
}

/**
 * Orthonormalizes rows in place by Gram-Schmidt, in their order: the Q of a QR decomposition whose R has
 * a positive diagonal. For random rows the result is orthonormal to 14 digits.
 *
 * @param values [count, length], count at most length
 */
export function orthonormalize(values: Float64Array, count: number, length: number): void {
  const rows = Array.from({ length: count }, (_, k) =>
    values.subarray(k * length, (k + 1) * length),
  );
  const zeros = new Float64Array(length);
  for (let first = 0; first < count; first += kBlock) {
    const block = rows.slice(first, first + kBlock);
    for (const [k, row] of block.entries()) {
      for (const before of block.slice(0, k)) subtract(row, dot(row, before), before);
      const norm = Math.sqrt(dot(row, row));
      for (let i = 0; i < length; i++) row[i]! /= norm;
    }
    while (block.length < kBlock) block.push(zeros);
    for (const row of rows.slice(first + kBlock)) project(row, block);
  }
}
