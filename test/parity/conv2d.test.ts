// Every case of test/fixtures/conv2d.py.
import { describe, expect, it } from 'vitest';
import { conv2d } from '../../src/functional/index.js';
import { Tensor } from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { expectClose, randomValues } from '../support/numbers.js';
import { describeOnTarget } from '../support/target.js';

interface Options {
  stride: [number, number];
  padding: [number, number];
  dilation: [number, number];
}

interface Sizes {
  batch: number;
  inputs: number;
  outputs: number;
  height: number;
  width: number;
  kernel: number;
}

/** A convolution in float64 whose output is as large as its input, [batch, outputs, height, width]. */
function sameConvolution(x: Float32Array, weight: Float32Array, sizes: Sizes): number[] {
  const { batch, inputs, outputs, height, width, kernel } = sizes;
  const pad = (kernel - 1) / 2;
  const y: number[] = [];
  for (let at = 0; at < batch * outputs * height * width; at++) {
    const [column, row] = [at % width, Math.floor(at / width) % height];
    const output = Math.floor(at / (width * height)) % outputs;
    const image = Math.floor(at / (width * height * outputs));
    let sum = 0;
    for (let input = 0; input < inputs; input++) {
      for (let ky = 0; ky < kernel; ky++) {
        const r = row + ky - pad;
        if (r < 0 || r >= height) continue;
        for (let kx = 0; kx < kernel; kx++) {
          const c = column + kx - pad;
          if (c < 0 || c >= width) continue;
          sum +=
            x[((image * inputs + input) * height + r) * width + c]! *
            weight[((output * inputs + input) * kernel + ky) * kernel + kx]!;
        }
      }
    }
    y.push(sum);
  }
  return y;
}

describeOnTarget('conv2d', () => {
  it.each(loadFixture<Options>('conv2d'))('$options.name', async ({ options, tensors }) => {
    const tensor = (name: string) => {
      const entry = tensors.get(name);
      return entry ? Tensor.from(Float32Array.from(entry.values), entry.shape) : null;
    };
    const { name: _name, ...geometry } = options;
    const y = conv2d(tensor('x')!, tensor('weight')!, tensor('bias'), geometry);
    const expected = tensors.get('y')!;
    expect(y.shape).toEqual(expected.shape);
    expectClose(await y.data(), expected.values, 2e-5);
  });

  describe.each([3, 5])('kernel %i, spiky x', (kernel) => {
    const [batch, inputs, outputs, height, width] = [2, 16, 40, 13, 11];
    const x = randomValues(batch * inputs * height * width, 1);
    for (let k = 0; k < x.length; k += 97) x[k]! *= 300;
    const bound = 1 / Math.sqrt(inputs * kernel * kernel);
    const weight = randomValues(outputs * inputs * kernel * kernel, 2, bound);
    const exact = sameConvolution(x, weight, { batch, inputs, outputs, height, width, kernel });

    it.each([
      ['highest', 1e-5],
      ['high', 1e-4],
      ['medium', 2e-2],
    ] as const)('is within the bound of %s', async (precision, limit) => {
      using y = conv2d(
        Tensor.from(x, [batch, inputs, height, width]),
        Tensor.from(weight, [outputs, inputs, kernel, kernel]),
        null,
        { padding: (kernel - 1) / 2, precision },
      );
      const values = await y.data();
      expect(values.length).toBe(exact.length);
      const worst = Math.max(
        ...exact.map((value, k) => Math.abs(values[k]! - value) / Math.max(1, Math.abs(value))),
      );
      expect(worst).toBeLessThanOrEqual(limit);
    });
  });
});
