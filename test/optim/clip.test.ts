import { describe, expect, it } from 'vitest';
import { clipGradNorm, clipGradValue, Parameter, Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

describe.each(devices)('clipping on %s', (device) => {
  const withGrad = (values: number[]) => {
    const parameter = new Parameter(Tensor.zeros([values.length], { device }));
    parameter.grad = Tensor.from(values, undefined, { device });
    return parameter;
  };

  it('clipGradNorm scales all gradients by one factor', async () => {
    const without = new Parameter(Tensor.zeros([2], { device }));
    const list = [withGrad([3, 0]), without, withGrad([0, -4, 0])];
    const before = list[0]!.grad!;
    const norm = clipGradNorm(list, 2.5);
    expect(norm.shape).toEqual([]);
    expect(await norm.item()).toBeCloseTo(5, 6);
    expect((await list[0]!.grad!.data())[0]).toBeCloseTo(1.5, 5);
    expect((await list[2]!.grad!.data())[1]).toBeCloseTo(-2, 5);
    expect(without.grad).toBeNull();
    expect(before.disposed).toBe(true);
  });

  it('clipGradNorm keeps small gradients', async () => {
    const list = [withGrad([0.3, 0.1])];
    expect(await clipGradNorm(list, 1).item()).toBeCloseTo(Math.sqrt(0.1), 6);
    expect(await list[0]!.grad!.data()).toEqual(Float32Array.of(0.3, 0.1));
    expect(await clipGradNorm([], 1).item()).toBe(0);
    expect(await clipGradNorm([withGrad([0, 0])], 1).item()).toBe(0);
  });

  it('clipGradNorm returns NaN for a gradient that is not finite', async () => {
    expect(await clipGradNorm([withGrad([1, Number.NaN])], 1).item()).toBeNaN();
    const list = [withGrad([1, Number.POSITIVE_INFINITY])];
    expect(await clipGradNorm(list, 1).item()).toBe(Number.POSITIVE_INFINITY);
  });

  it('clipGradValue clamps every element', async () => {
    const list = [withGrad([-3, -0.5, 0.2, 7]), new Parameter(Tensor.zeros([1], { device }))];
    clipGradValue(list, 0.5);
    expect(await list[0]!.grad!.data()).toEqual(Float32Array.of(-0.5, -0.5, 0.2, 0.5));
    expect(list[1]!.grad).toBeNull();
  });

  it('refuses bounds below 0, and modules', () => {
    const net = { parameters: () => [] } as never;
    expectError(() => clipGradNorm(net, 1), 'ERR_OPTION', 'net.parameters()');
    expectError(() => clipGradValue(net, 1), 'ERR_OPTION', 'net.parameters()');
    expectError(() => clipGradNorm([withGrad([1])], -1), 'ERR_OPTION', 'maxNorm', '-1');
    expectError(() => clipGradValue([withGrad([1])], Number.NaN), 'ERR_OPTION', 'clipValue');
  });
});
