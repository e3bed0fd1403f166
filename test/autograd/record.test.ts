import { describe, expect, it } from 'vitest';
import { record, recordResults } from '../../src/autograd/tape.js';
import { noGrad, Tensor } from '../../src/index.js';

function leaf(values: number[]): Tensor {
  const tensor = Tensor.from(values);
  tensor.requiresGrad = true;
  return tensor;
}

describe('record', () => {
  it('passes saved tensors, wants and gradients by name', async () => {
    const [a, b] = [leaf([2]), Tensor.from([3])];
    const y = noGrad(() => a.mul(b));
    record({ a, b }, y, { factor: b }, (grad, { factor }, wants) => {
      expect(wants).toEqual({ a: true, b: false });
      return { a: grad.mul(factor), b: null };
    });
    y.backward();
    expect(await a.grad!.toArray()).toEqual([3]);
    expect(b.grad).toBeNull();
  });

  it('passes null for the gradient of an unused result', async () => {
    const x = leaf([1]);
    const [double, triple] = noGrad(() => [x.mul(2), x.mul(3)] as const);
    recordResults({ x }, { double, triple }, {}, (grads) => {
      expect(grads.double).toBeNull();
      return { x: grads.triple!.mul(3) };
    });
    triple.backward();
    expect(await x.grad!.toArray()).toEqual([3]);
  });

  it('does not compile with a name missing or misspelt', () => {
    const [x, weight] = [Tensor.ones([1]), Tensor.ones([1])];
    const y = Tensor.ones([1]);
    // @ts-expect-error the gradient of weight is missing
    record({ x, weight }, y, {}, (grad) => ({ x: grad }));
    // @ts-expect-error the operand is called weight
    record({ x, weight }, y, {}, (grad) => ({ x: grad, wieght: null }));
    // @ts-expect-error only weight is saved
    record({ x, weight }, y, { weight }, (_, { x }) => ({ x, weight: null }));
  });
});

describe('methods of Tensor', () => {
  it('call the functions with the tensor as first operand', async () => {
    const x = Tensor.from([[1, 2, 3]]);
    expect(await x.softplus().sum().item()).toBeCloseTo(
      [1, 2, 3].reduce((sum, value) => sum + Math.log1p(Math.exp(value)), 0),
      5,
    );
    expect(Tensor.stack([x, x], 1).shape).toEqual([1, 2, 3]);
    expect(Object.keys(x)).not.toContain('add');
  });
});
