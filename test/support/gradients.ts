import { expect } from 'vitest';
import { noGrad, Tensor } from '../../src/index.js';
import { randomValues } from './numbers.js';

/** |a - b| / |b| in the 2-norm, so that an element near zero does not dominate. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let difference = 0;
  let size = 0;
  for (let k = 0; k < expected.length; k++) {
    difference += (actual[k]! - expected[k]!) ** 2;
    size += expected[k]! ** 2;
  }
  if (size === 0) return difference === 0 ? 0 : Number.POSITIVE_INFINITY;
  return Math.sqrt(difference / size);
}

/** A weighted sum of all elements, with a different weight for each. */
function weigh(tensors: readonly Tensor[]): { loss: Tensor; value: () => number } {
  let loss: Tensor | null = null;
  const weights = tensors.map((tensor, k) => randomValues(tensor.size, 1000 + k));
  tensors.forEach((tensor, k) => {
    const weight = Tensor.from(weights[k]!, tensor.shape, { device: tensor.device });
    const part = tensor.mul(weight).sum();
    loss = loss ? loss.add(part) : part;
  });
  // Float64, because rounding of a float32 sum would exceed the differences.
  const value = () => {
    let sum = 0;
    tensors.forEach((tensor, k) => {
      const values = tensor.dataSync();
      for (let j = 0; j < values.length; j++) sum += values[j]! * weights[k]![j]!;
    });
    return sum;
  };
  return { loss: loss!, value };
}

/**
 * Expects the gradients of `compute` to agree with central differences, along a random direction for
 * each operand. `compute` must be deterministic.
 */
export function expectTrueGradients(
  operands: readonly Tensor[],
  compute: (operands: readonly Tensor[]) => readonly Tensor[],
  { step = 1e-2, tolerance = 2e-3 } = {},
): void {
  for (const operand of operands) operand.requiresGrad = true;
  weigh(compute(operands)).loss.backward();
  operands.forEach((operand, index) => {
    const direction = randomValues(operand.size, 2000 + index);
    const values = operand.dataSync();
    const grad = operand.grad!.dataSync();
    expect(operand.grad!.shape).toEqual(operand.shape);
    let slope = 0;
    let size = 0;
    for (let k = 0; k < grad.length; k++) {
      slope += grad[k]! * direction[k]!;
      size += (grad[k]! * direction[k]!) ** 2;
    }
    const at = (along: number) => {
      const moved = values.map((value, k) => value + along * direction[k]!);
      const { shape, device } = operand;
      const others = operands.map((each) => each.detach());
      others[index] = Tensor.from(moved, shape, { device });
      return noGrad(() => weigh(compute(others)).value());
    };
    const difference = (at(step) - at(-step)) / (2 * step);
    const scale = Math.max(Math.abs(slope), Math.sqrt(size), 1e-3);
    expect(Math.abs(difference - slope) / scale, `operand ${index}`).toBeLessThan(tolerance);
  });
}
