// Every case of test/fixtures/linear.py.
import { expect, it } from 'vitest';
import { Linear, Tensor } from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { relativeError } from '../support/gradients.js';
import { describeOnTarget } from '../support/target.js';

describeOnTarget('Linear', () => {
  it.each(loadFixture<{ bias: boolean }>('linear'))(
    '$options.name',
    async ({ options, tensors }) => {
      const tensor = (name: string) => {
        const { values, shape } = tensors.get(name)!;
        return Tensor.from(Float32Array.from(values), shape);
      };
      const x = tensor('x');
      x.requiresGrad = true;
      const [outFeatures, inFeatures] = tensors.get('weight')!.shape as [number, number];
      const linear = new Linear({ inFeatures, outFeatures, bias: options.bias });
      linear.loadStateDict({
        weight: tensor('weight'),
        ...(options.bias ? { bias: tensor('bias') } : {}),
      });
      const y = linear.forward(x);
      expect(y.shape).toEqual(tensors.get('y')!.shape);
      expect(relativeError(await y.data(), tensors.get('y')!.values)).toBeLessThan(1e-6);
      y.backward(tensor('upstream'));
      for (const [name, leaf] of [['x', x] as const, ...linear.namedParameters()]) {
        const expected = tensors.get(`grad.${name}`)!;
        expect(leaf.grad!.shape).toEqual(expected.shape);
        expect(relativeError(await leaf.grad!.data(), expected.values), name).toBeLessThan(1e-6);
      }
    },
  );
});
