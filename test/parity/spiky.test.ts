// Large values: x is normal with one value in a hundred times 1000. Errors grow with S, the largest
// sum of |weight * value| over the products of a gate; README's Precision gives the bounds per S.
import { expect, it } from 'vitest';
import { ConvLSTMCell, noGrad, Tensor } from '../../src/index.js';
import { randomValues } from '../support/numbers.js';
import { describeOnTarget } from '../support/target.js';

const [inputs, hidden, height, width] = [64, 5, 7, 9];
const pixels = height * width;

/** Normal to the accuracy of a sum of 12 uniform numbers. */
function normalValues(count: number, seed: number): Float32Array {
  const uniform = randomValues(12 * count, seed, 0.5);
  return Float32Array.from({ length: count }, (_, k) =>
    uniform.subarray(12 * k, 12 * k + 12).reduce((sum, value) => sum + value, 0),
  );
}

const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));

interface Step {
  x: Float32Array;
  h: Float32Array;
  c: Float32Array;
  weight: Float32Array;
  bias: Float32Array;
}

/** One step in float64: h, and S of each of its values. */
function exactStep(
  { x, h, c, weight, bias }: Step,
  [kernelHeight, kernelWidth]: readonly number[],
) {
  const channels = inputs + hidden;
  const frames = [x, h];
  const next: number[] = [];
  const sizes: number[] = [];
  for (let at = 0; at < hidden * pixels; at++) {
    const [column, row] = [at % width, Math.floor(at / width) % height];
    const output = Math.floor(at / pixels);
    const sums = [0, 1, 2, 3].map((gate) => {
      let [sum, size] = [bias[gate * hidden + output]!, 0];
      for (let channel = 0; channel < channels; channel++) {
        const frame = frames[channel < inputs ? 0 : 1]!;
        const plane = (channel < inputs ? channel : channel - inputs) * pixels;
        for (let tap = 0; tap < kernelHeight! * kernelWidth!; tap++) {
          const r = row + Math.floor(tap / kernelWidth!) - ((kernelHeight! - 1) >> 1);
          const s = column + (tap % kernelWidth!) - ((kernelWidth! - 1) >> 1);
          if (r < 0 || r >= height || s < 0 || s >= width) continue;
          const product =
            frame[plane + r * width + s]! *
            weight[
              ((gate * hidden + output) * channels + channel) * kernelHeight! * kernelWidth! + tap
            ]!;
          sum += product;
          size += Math.abs(product);
        }
      }
      return { sum, size };
    });
    const [i, f, o, g] = sums.map(({ sum }) => sum) as [number, number, number, number];
    next.push(sigmoid(o) * Math.tanh(sigmoid(f) * c[at]! + sigmoid(i) * Math.tanh(g)));
    sizes.push(Math.max(...sums.map(({ size }) => size)));
  }
  return { next, sizes };
}

describeOnTarget('a step of spiky x, 64 channels', () => {
  it.each([
    [1, 7],
    [9, 9],
    [3, 3],
    [5, 5],
    [4, 2],
  ] as const)('is within the bounds per S, kernel %ix%i', async (...kernel) => {
    const x = normalValues(inputs * pixels, 1);
    for (let k = 0; k < x.length; k += 97) x[k]! *= 1000;
    const h = randomValues(hidden * pixels, 2);
    const c = randomValues(hidden * pixels, 3, 1.5);
    const taps = kernel[0] * kernel[1];
    const bound = 1 / Math.sqrt((inputs + hidden) * taps);
    const weight = randomValues(4 * hidden * (inputs + hidden) * taps, 4, bound);
    const bias = randomValues(4 * hidden, 5, bound);
    const cell = new ConvLSTMCell({ inputDim: inputs, hiddenDim: hidden, kernelSize: [...kernel] });
    cell.loadStateDict({
      'conv.weight': Tensor.from(weight, [4 * hidden, inputs + hidden, ...kernel]),
      'conv.bias': Tensor.from(bias, [4 * hidden]),
    });
    const { next, sizes } = exactStep({ x, h, c, weight, bias }, kernel);
    for (const [precision, atLeast, perSize] of [
      ['highest', 1e-5, 2e-7],
      ['high', 1e-4, 2e-6],
      ['medium', 2e-2, 4e-3],
    ] as const) {
      cell.to({ precision });
      const state = noGrad(() =>
        cell.forward(Tensor.from(x, [1, inputs, height, width]), {
          h: Tensor.from(h, [1, hidden, height, width]),
          c: Tensor.from(c, [1, hidden, height, width]),
        }),
      );
      const values = await state.h.data();
      const excess = next.map(
        (value, k) => Math.abs(values[k]! - value) / Math.max(atLeast, perSize * sizes[k]!),
      );
      expect(Math.max(...excess), precision).toBeLessThanOrEqual(1);
      expect(Math.max(...sizes)).toBeGreaterThan(100);
    }
  });
});
