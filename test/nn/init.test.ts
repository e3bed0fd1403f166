import { describe, expect, it } from 'vitest';
import { Conv2d, ConvLSTM, init, Module, manualSeed, Parameter, Tensor } from '../../src/index.js';
import { orthonormalize } from '../../src/nn/orthonormalize.js';
import { normalValues } from '../../src/tensor/random.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';
import { expectSameBits, largest } from '../support/numbers.js';

const shape = [64, 32, 3, 3];
const fanIn = 32 * 9;
const fanOut = 64 * 9;

function weight(sizes: readonly number[] = shape): Parameter {
  return new Parameter(Tensor.zeros(sizes, { device: 'javascript' }));
}

function deviation(values: Float32Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

describe('initial values', () => {
  it.each([
    ['xavierUniform', init.xavierUniform(weight()), Math.sqrt(2 / (fanIn + fanOut)), true],
    ['gain', init.xavierUniform(weight(), { gain: 3 }), 3 * Math.sqrt(2 / (fanIn + fanOut)), true],
    ['xavierNormal', init.xavierNormal(weight()), Math.sqrt(2 / (fanIn + fanOut)), false],
    ['kaimingUniform', init.kaimingUniform(weight()), Math.sqrt(2 / fanIn), true],
    ['kaimingNormal', init.kaimingNormal(weight()), Math.sqrt(2 / fanIn), false],
    ['fanOut', init.kaimingNormal(weight(), { mode: 'fanOut' }), Math.sqrt(2 / fanOut), false],
    ['slope', init.kaimingUniform(weight(), { a: 2 }), Math.sqrt(2 / 5 / fanIn), true],
    [
      'tanh',
      init.kaimingUniform(weight(), { nonlinearity: 'tanh' }),
      5 / 3 / Math.sqrt(fanIn),
      true,
    ],
    ['relu', init.kaimingUniform(weight(), { nonlinearity: 'relu' }), Math.sqrt(2 / fanIn), true],
    ['linear', init.kaimingNormal(weight(), { nonlinearity: 'linear' }), fanIn ** -0.5, false],
  ] as const)('have the deviation asked for: %s', async (_, parameter, expected, uniform) => {
    const values = await parameter.data();
    expect(Math.abs(deviation(values) / expected - 1)).toBeLessThan(0.02);
    // Uniform values end at sqrt(3) deviations; of 18,432 normal ones some exceed 3.
    if (uniform) expect(largest(values)).toBeLessThanOrEqual(Math.sqrt(3) * expected * (1 + 1e-6));
    else expect(largest(values)).toBeGreaterThan(3 * expected);
  });

  it.each([
    [[256, 64, 3, 3], 1],
    [[64, 4, 3, 3], 2],
    [[7, 7], 1],
    [[5, 3], 0.5],
    [[1, 9], 1],
  ])('orthogonal %j', async (sizes, gain) => {
    const parameter = init.orthogonal(weight(sizes), { gain });
    const values = await parameter.data();
    const rows = sizes[0]!;
    const columns = values.length / rows;
    const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
    const at = (k: number, i: number) =>
      rows < columns ? values[k * columns + i]! : values[i * columns + k]!;
    for (let a = 0; a < count; a += 3) {
      for (let b = 0; b <= a; b++) {
        let product = 0;
        for (let i = 0; i < length; i++) product += at(a, i) * at(b, i);
        expect(Math.abs(product - (a === b ? gain ** 2 : 0))).toBeLessThan(1e-5);
      }
    }
  });

  it('orthogonal is the Q whose R has a positive diagonal', async () => {
    manualSeed(4);
    const random = await Tensor.randn([5, 3], { device: 'javascript' }).data();
    manualSeed(4);
    const q = await init.orthogonal(weight([3, 5])).data();
    // Row k of Q has a positive product with row k of the input, and 0 with the rows before it.
    for (let k = 0; k < 3; k++) {
      const along = (row: number) =>
        Array.from({ length: 5 }, (_, i) => q[k * 5 + i]! * random[row * 5 + i]!).reduce(
          (a, b) => a + b,
        );
      expect(along(k)).toBeGreaterThan(0);
      for (let before = 0; before < k; before++) expect(Math.abs(along(before))).toBeLessThan(1e-6);
    }
  });

  it('orthonormal rows take fewer than three reads for each pair of rows and element', () => {
    const [count, length] = [32, 40];
    const values = Float64Array.from(normalValues(count * length));
    let reads = 0;
    const counted = (row: Float64Array) =>
      new Proxy(row, {
        get(target, key) {
          if (key === 'length') return target.length;
          reads++;
          return target[Number(key)];
        },
        set: (target, key, value) => Reflect.set(target, key, value, target),
      });
    const rows = { subarray: (from: number, to: number) => counted(values.subarray(from, to)) };
    orthonormalize(rows as Float64Array, count, length);
    const pairs = (count * (count - 1)) / 2;
    expect(reads / (pairs * length)).toBeLessThan(3);
  });

  it('depend on the seed, not on the device', async () => {
    for (const initialise of [init.xavierNormal, init.kaimingUniform, init.orthogonal]) {
      const results = await Promise.all(
        devices.map((device) => {
          manualSeed(9);
          const parameter = new Parameter(Tensor.zeros([6, 2, 3, 3], { device }));
          expect(initialise(parameter)).toBe(parameter);
          expect(parameter.device).toBe(device);
          expect(parameter.requiresGrad).toBe(true);
          return parameter.data();
        }),
      );
      for (const values of results) expectSameBits(values, results[0]!);
    }
  });

  it('refuse parameters with fewer than two axes', () => {
    const bias = weight([5]);
    for (const initialise of Object.values(init).filter((each) => each !== init.forgetBias)) {
      const apply = initialise as (parameter: Parameter) => unknown;
      expectError(() => apply(bias), 'ERR_SHAPE', apply.name, '[5]');
    }
    for (const apply of [init.xavierNormal, init.orthogonal, init.kaimingUniform]) {
      const misspelt = { gian: 2 } as object;
      expectError(() => apply(weight(), misspelt), 'ERR_OPTION', apply.name, "no option 'gian'");
    }
    expectError(() => init.orthogonal(undefined as never), 'ERR_OPTION', 'orthogonal', 'Tensor');
    const mode = 'both' as 'fanIn';
    expectError(() => init.kaimingNormal(weight(), { mode }), 'ERR_OPTION', 'both');
    const nonlinearity = 'gelu' as 'relu';
    expectError(() => init.kaimingNormal(weight(), { nonlinearity }), 'ERR_OPTION', 'gelu');
  });
});

describe.each(devices)('forgetBias on %s', (device) => {
  it('sets the second quarter of the bias of every cell', async () => {
    class Net extends Module {
      cells = new ConvLSTM({ inputDim: 1, hiddenDim: [2, 3], kernelSize: 3 });
      head = new Conv2d({ inChannels: 3, outChannels: 8, kernelSize: 1 });
    }
    const net = new Net().to(device);
    const before = net.stateDict();
    expect(init.forgetBias(net, 1.5)).toBe(net);
    for (const [name, tensor] of Object.entries(net.stateDict())) {
      const expected = await before[name]!.data();
      if (/cell_list.*bias/.test(name)) {
        expected.fill(1.5, expected.length / 4, expected.length / 2);
      }
      expect(await tensor.data(), name).toEqual(expected);
    }
    expect(net.cells.cells[0]!.conv.bias!.isLeaf).toBe(true);
  });

  it('refuses modules without forget gates or without bias', () => {
    const conv = new Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1 });
    expectError(() => init.forgetBias(conv), 'ERR_OPTION', 'forget gates');
    const net = new ConvLSTM({ inputDim: 1, hiddenDim: 2, kernelSize: 3, bias: false });
    expectError(() => init.forgetBias(net), 'ERR_OPTION', 'all with bias');
  });
});
