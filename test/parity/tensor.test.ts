// Every case of test/fixtures/tensor.py.
import { expect, it } from 'vitest';
import { functional, Tensor } from '../../src/index.js';
import { type Array64, loadFixture } from '../support/fixture.js';
import { describeOnTarget } from '../support/target.js';

interface Options {
  kind: 'unary' | 'binary' | 'reduce' | 'permute' | 'concat' | 'pixelShuffle';
  op: string;
  axes: number[];
  order: number[];
  axis: number;
  factor: number;
}

/** Within `ulps` float32 steps of the float64 value, or `floor` where that is tiny; infinities and NaN exactly. */
async function expectNear(
  actual: Tensor,
  expected: Array64,
  ulps: number,
  floor = 1.5e-45,
): Promise<void> {
  expect(actual.shape).toEqual(expected.shape);
  const values = await actual.data();
  for (const [index, value] of values.entries()) {
    const wanted = expected.values[index]!;
    const rounded = Math.fround(wanted);
    if (Object.is(value, rounded) || value === rounded) continue;
    const step = Math.max(Math.abs(wanted) * 2 ** -23, floor);
    expect
      .soft(Math.abs(value - wanted), `element ${index}: ${value}, expected ${wanted}`)
      .toBeLessThanOrEqual(ulps * step);
  }
}

const kUlps: Record<string, number> = { exp: 2, log: 2, sigmoid: 4, tanh: 4, softplus: 3 };

describeOnTarget('tensor operations', () => {
  it.each(loadFixture<Options>('tensor'))('$options.name', async ({ options, tensors }) => {
    const tensor = (name: string) => {
      const { values, shape } = tensors.get(name)!;
      return Tensor.from(Float32Array.from(values), shape);
    };
    const y = tensors.get('y')!;
    switch (options.kind) {
      case 'unary': {
        const apply = functional[options.op as 'exp'];
        const result = options.op === 'leakyRelu' ? tensor('x').leakyRelu(0.1) : apply(tensor('x'));
        // Results below float32's normal range may flush to zero.
        return expectNear(result, y, kUlps[options.op] ?? 1, 1.2e-38);
      }
      case 'binary':
        return expectNear(tensor('a')[options.op as 'add'](tensor('b')), y, 1);
      case 'reduce':
        for (const op of ['sum', 'mean', 'max'] as const) {
          const expected = tensors.get(op)!;
          await expectNear(tensor('x')[op](options.axes), expected, 16, 1e-6);
          const kept = tensor('x')[op](options.axes, { keepDim: true });
          const ones = tensors
            .get('x')!
            .shape.map((size, axis) => (options.axes.includes(axis) ? 1 : size));
          expect(kept.shape).toEqual(ones);
        }
        return;
      case 'permute':
        return expectNear(tensor('x').permute(options.order), y, 0);
      case 'concat': {
        const parts = [0, 1, 2].map((part) => tensor(`part.${part}`));
        return expectNear(Tensor.concat(parts, options.axis), y, 0);
      }
      case 'pixelShuffle': {
        const shuffled = functional.pixelShuffle(tensor('x'), options.factor);
        await expectNear(shuffled, y, 0);
        return expectNear(
          functional.pixelUnshuffle(shuffled, options.factor),
          tensors.get('x')!,
          0,
        );
      }
    }
  });
});
