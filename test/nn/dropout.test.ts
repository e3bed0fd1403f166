import { describe, expect, it } from 'vitest';
import { Dropout, Linear, manualSeed, Sequential, Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';
import { expectSameBits } from '../support/numbers.js';

describe.each(devices)('Dropout on %s', (device) => {
  it('drops a share of the elements while training, none after eval()', async () => {
    const dropout = new Dropout({ p: 0.2 });
    const x = Tensor.ones([100, 200], { device });
    x.requiresGrad = true;
    const y = dropout.forward(x);
    const values = await y.data();
    expect(new Set(values)).toEqual(new Set([0, 1.25]));
    const share = values.filter((value) => value === 0).length / values.length;
    expect(Math.abs(share - 0.2)).toBeLessThan(0.01);
    y.sum().backward();
    expectSameBits(await x.grad!.data(), values);

    dropout.eval();
    const same = dropout.forward(x);
    expect(await same.data()).toEqual(await x.data());
    same.dispose();
    expect(x.disposed).toBe(false);
  });

  it('depends on the seed, and differs from call to call', async () => {
    const dropout = new Dropout();
    const x = Tensor.ones([1000], { device });
    const run = () => {
      manualSeed(5);
      return [dropout.forward(x), dropout.forward(x)].map((y) => y.dataSync());
    };
    const [first, second] = run();
    expect(first).not.toEqual(second);
    expect(run()).toEqual([first, second]);
    const elsewhere = x.to('javascript');
    manualSeed(5);
    expectSameBits(dropout.forward(elsewhere).dataSync(), first!);
  });

  it('works inside Sequential', async () => {
    const net = new Sequential(
      new Linear({ inFeatures: 4, outFeatures: 8 }),
      new Dropout({ p: 0 }),
      new Linear({ inFeatures: 8, outFeatures: 2 }),
    ).to(device) as Sequential;
    expect([...net.namedParameters()].map(([name]) => name)).toEqual([
      '0.weight',
      '0.bias',
      '2.weight',
      '2.bias',
    ]);
    const x = Tensor.rand([3, 4], { device });
    const training = await net.forward(x).data();
    expect(await net.eval().forward(x).data()).toEqual(training);
  });

  it('refuses options out of range', () => {
    expectError(() => new Dropout({ p: 1 }), 'ERR_OPTION', 'p', '1');
    expectError(() => new Dropout({ rate: 0.5 } as object), 'ERR_OPTION', 'rate');
    expectError(() => new Linear({ inFeatures: 0, outFeatures: 1 }), 'ERR_OPTION', 'inFeatures');
    const linear = new Linear({ inFeatures: 4, outFeatures: 8 }).to(device);
    const x = Tensor.zeros([4, 5], { device });
    expectError(() => linear.forward(x), 'ERR_SHAPE', '[..., 4]', '[4, 5]');
    expectError(() => linear.forward(x.sum()), 'ERR_SHAPE', '[..., 4]', '[]');
  });
});
