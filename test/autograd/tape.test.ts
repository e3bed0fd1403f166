import { describe, expect, it } from 'vitest';
import { ConvLSTM, functional, isGradEnabled, noGrad, Parameter, Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

describe.each(devices)('tape on %s', (device) => {
  function leaf(values: number[]): Tensor {
    const tensor = Tensor.from(values, undefined, { device });
    tensor.requiresGrad = true;
    return tensor;
  }

  it('finds the gradient of each leaf and accumulates over calls', async () => {
    const x = leaf([1, 2, 3]);
    const scale = Tensor.from([10, 20, 30], undefined, { device });
    x.mul(scale).sum().backward();
    expect(await x.grad!.toArray()).toEqual([10, 20, 30]);
    x.mul(x).sum().backward();
    expect(await x.grad!.toArray()).toEqual([12, 24, 36]);
    expect(scale.grad).toBeNull();
  });

  it('sums over all paths, runs each node once, at any depth', async () => {
    const x = leaf([1]);
    let y: Tensor = x;
    for (let k = 0; k < 40; k++) y = y.add(y);
    y.backward();
    expect(await x.grad!.toArray()).toEqual([2 ** 40]);
    const z = leaf([1]);
    let deep: Tensor = z;
    for (let k = 0; k < 20_000; k++) deep = deep.neg();
    deep.backward();
    expect(await z.grad!.toArray()).toEqual([1]);
  });

  it('sums over broadcast axes', async () => {
    const row = leaf([1, 2, 3]);
    const column = Tensor.from([[1], [2]], undefined, { device });
    column.requiresGrad = true;
    row.mul(column).sum().backward();
    expect(await row.grad!.toArray()).toEqual([3, 3, 3]);
    expect(await column.grad!.toArray()).toEqual([[6], [6]]);
  });

  it('accepts a gradient to start from', async () => {
    const x = leaf([1, 2]);
    const seed = Tensor.from([1, -1], undefined, { device });
    x.square().backward(seed);
    expect(await x.grad!.toArray()).toEqual([2, -4]);
    expect(await seed.toArray()).toEqual([1, -1]);
    expectError(() => x.square().backward(), 'ERR_SHAPE', 'without a gradient', '[2]');
    expectError(() => x.square().backward(Tensor.ones([3], { device })), 'ERR_SHAPE', '[3]');
  });

  it('works after intermediate results are disposed and parameters changed', async () => {
    const x = leaf([0.5]);
    const parameter = new Parameter(Tensor.from([2], undefined, { device }));
    const product = x.mul(parameter);
    const y = product.exp();
    product.dispose();
    parameter.assign(Tensor.from([1000], undefined, { device }));
    y.backward();
    const expected = Math.E;
    expect(await x.grad!.item()).toBeCloseTo(2 * expected, 4);
    expect(await parameter.grad!.item()).toBeCloseTo(0.5 * expected, 4);
  });

  it('runs once per graph', () => {
    const x = leaf([1]);
    const y = x.exp();
    const twice = y.mul(2);
    y.backward();
    expectError(() => y.backward(), 'ERR_OPTION', 'used by an earlier backward()');
    expectError(() => twice.backward(), 'ERR_OPTION', 'used by an earlier backward()');
  });

  it('starts from leaves, and ends at them', () => {
    const x = leaf([1]);
    const y = x.exp();
    expect([x.isLeaf, y.isLeaf, y.requiresGrad]).toEqual([true, false, true]);
    expectError(
      () => {
        y.requiresGrad = false;
      },
      'ERR_OPTION',
      'detach()',
    );
    const z = y.detach().mul(2);
    expect(z.requiresGrad).toBe(false);
    expectError(() => z.backward(), 'ERR_OPTION', 'requiresGrad');
    y.backward();
    expect(y.grad).toBeNull();
  });

  it('ignores what noGrad computes, and nothing else', async () => {
    const x = leaf([1]);
    expect(noGrad(() => x.exp()).requiresGrad).toBe(false);
    const inside = noGrad(async () => {
      await x.data();
      return [isGradEnabled(), x.exp().requiresGrad];
    });
    expect([isGradEnabled(), x.exp().requiresGrad]).toEqual([true, true]);
    expect(await inside).toEqual([false, false]);
    expect(() =>
      noGrad(() => {
        throw new Error('x');
      }),
    ).toThrow('x');
    expect(isGradEnabled()).toBe(true);
  });

  it('divides the gradient of a largest element among equals', async () => {
    const x = leaf([3, 1, 3]);
    x.max().backward();
    expect(await x.grad!.toArray()).toEqual([0.5, 0, 0.5]);
    const a = leaf([1, 2, 5]);
    const b = leaf([4, 2, 3]);
    a.maximum(b).sum().backward();
    expect(await a.grad!.toArray()).toEqual([0, 0.5, 1]);
    expect(await b.grad!.toArray()).toEqual([1, 0.5, 0]);
    a.grad = null;
    a.minimum(b).sum().backward();
    expect(await a.grad!.toArray()).toEqual([1, 0.5, 0]);
  });

  it('moves gradients to the device of the source', async () => {
    const x = leaf([1, 2]);
    const moved = x.to('javascript');
    moved.square().sum().backward();
    expect(x.grad!.device).toBe(device);
    expect(await x.grad!.toArray()).toEqual([2, 4]);
  });

  it('stops at detached states of a recurrence', async () => {
    const net = new ConvLSTM({ inputDim: 1, hiddenDim: 2, kernelSize: 3 }).to(device);
    const x = Tensor.ones([2, 1, 1, 3, 3], { device });
    x.requiresGrad = true;
    const { states } = net.forward(x);
    const carried = states.map(({ h, c }) => ({ h: h.detach(), c: c.detach() }));
    const next = Tensor.ones([1, 1, 1, 3, 3], { device });
    net.forward(next, carried).outputs[0]!.sum().backward();
    expect(x.grad).toBeNull();
    net.forward(next, states).outputs[0]!.sum().backward();
    expect(functional.abs(x.grad!).sum().itemSync()).toBeGreaterThan(0);
  });
});
