// Gradients of every function against central differences, on the fallback.
import { describe, it } from 'vitest';
import { functional, manualSeed, Tensor } from '../../src/index.js';
import { expectTrueGradients } from '../support/gradients.js';
import { product, randomValues } from '../support/numbers.js';

const device = 'javascript';
let seed = 1;

/** Uniform in [-1, 1), or in [from, to). */
function random(shape: readonly number[], from = -1, to = 1): Tensor {
  const values = randomValues(product(shape), seed++, (to - from) / 2);
  return Tensor.from(
    values.map((value) => value + (from + to) / 2),
    shape,
    { device },
  );
}

describe('gradients of functions by finite differences', () => {
  it.each([
    ['neg', functional.neg, -1, 1],
    ['abs', functional.abs, 0.1, 1],
    ['exp', functional.exp, -1, 1],
    ['log', functional.log, 0.5, 2],
    ['sqrt', functional.sqrt, 0.5, 2],
    ['square', functional.square, -1, 1],
    ['softplus', functional.softplus, -3, 3],
    ['sigmoid', functional.sigmoid, -3, 3],
    ['tanh', functional.tanh, -2, 2],
    ['relu', functional.relu, 0.1, 1],
    ['relu of negative', functional.relu, -1, -0.1],
    ['leakyRelu', functional.leakyRelu, 0.1, 1],
    ['leakyRelu of negative', (x: Tensor) => functional.leakyRelu(x, 0.3), -1, -0.1],
  ] as const)('%s', (_, apply, from, to) => {
    expectTrueGradients([random([2, 3, 5], from, to)], ([x]) => [apply(x!)]);
  });

  const broadcasts: [number[], number[]][] = [
    [
      [2, 3],
      [2, 3],
    ],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[3], [2, 3]],
    [[], [2, 2]],
  ];
  it.each(broadcasts)('two operands, %j with %j', (a, b) => {
    for (const apply of [functional.add, functional.sub, functional.mul]) {
      expectTrueGradients([random(a), random(b)], ([x, y]) => [apply(x!, y!)]);
    }
    expectTrueGradients([random(a), random(b, 1, 2)], ([x, y]) => [functional.div(x!, y!)]);
    // Distinct by more than a step, so that no difference crosses a tie.
    expectTrueGradients([random(a, 0, 1), random(b, 2, 3)], ([x, y]) => [
      functional.maximum(x!, y!),
      functional.minimum(x!, y!),
    ]);
  });

  it('numbers as operands', () => {
    expectTrueGradients([random([3], 1, 2)], ([x]) => [
      functional.sub(2, x!),
      functional.div(2, x!),
      x!.mul(3).add(1).div(7),
    ]);
  });

  it('reductions', () => {
    for (const axes of [undefined, 0, [0, 2], [-1], []] as const) {
      for (const keepDim of [false, true]) {
        expectTrueGradients([random([2, 3, 4])], ([x]) => [
          x!.sum(axes, { keepDim }),
          x!.mean(axes, { keepDim }),
        ]);
      }
    }
    const apart = Tensor.from(
      Float32Array.from({ length: 24 }, (_, k) => (k * 7) % 24),
      [2, 3, 4],
      { device },
    );
    expectTrueGradients([apart], ([x]) => [x!.max([0, 2]), x!.max()]);
  });

  it('rearrangements', () => {
    expectTrueGradients([random([2, 3, 4])], ([x]) => [
      x!.permute([2, 0, 1]),
      x!.transpose(),
      x!.reshape([4, -1]),
      x!.flatten(1),
      x!.unsqueeze(1).squeeze(),
      x!.slice([0, 1], [null, 3], [1, 1, 3]),
      x!.select(1, -1),
      x!.clone(),
    ]);
    expectTrueGradients([random([2, 3]), random([2, 3]), random([2, 1])], ([a, b, c]) => [
      Tensor.concat([a!, b!, c!, a!], 1),
      Tensor.stack([a!, b!], 1),
    ]);
    expectTrueGradients([random([1, 8, 2, 3])], ([x]) => [
      functional.pixelUnshuffle(functional.pixelShuffle(x!, 2), 1),
    ]);
  });

  it('dropout', () => {
    expectTrueGradients([random([4, 5])], ([x]) => {
      manualSeed(3);
      return [functional.dropout(x!, 0.4)];
    });
  });

  it.each([
    [[1, 1, 1, 1], [1, 1, 1, 1], {}],
    [[3, 2, 5, 4], [3, 2, 3, 3], { padding: 1 }],
    [[2, 3, 7, 6], [2, 3, 2, 3], { stride: [2, 1], padding: [1, 2], dilation: [1, 2] }],
    [[1, 17, 4, 4], [2, 17, 1, 1], {}],
  ] as const)('conv2d of %j with %j', (x, weight, options) => {
    expectTrueGradients([random(x), random(weight), random([weight[0]])], ([x, weight, bias]) => [
      functional.conv2d(x!, weight!, bias!, options),
    ]);
    expectTrueGradients([random(weight)], ([w]) => [
      functional.conv2d(random(x).mul(0).add(1), w!, null, options),
    ]);
  });
});

interface Case {
  name: string;
  batch: number;
  time: number;
  inputDim: number;
  hiddenDim: number;
  kernel: [number, number];
  size: [number, number];
  batchFirst?: boolean;
  bias?: boolean;
  states?: boolean;
  peephole?: 'channel' | 'spatial';
  masks?: boolean;
}

const layers: Case[] = [
  ...[1, 2].map((time) => ({
    ...{ name: `one pixel, T = ${time}`, batch: 1, time, inputDim: 1, hiddenDim: 1 },
    kernel: [1, 1] as [number, number],
    size: [1, 1] as [number, number],
    states: true,
  })),
  {
    ...{ name: 'everything', batch: 3, time: 3, inputDim: 2, hiddenDim: 2 },
    ...{ kernel: [3, 3], size: [4, 5], bias: true, states: true, peephole: 'spatial', masks: true },
  },
  {
    ...{ name: 'even kernel', batch: 2, time: 2, inputDim: 1, hiddenDim: 3 },
    ...{ kernel: [2, 4], size: [3, 4], batchFirst: true, bias: true },
  },
  {
    ...{ name: 'peepholes of channels', batch: 1, time: 3, inputDim: 3, hiddenDim: 2 },
    ...{ kernel: [5, 1], size: [4, 3], batchFirst: true, peephole: 'channel' },
  },
];

describe('gradients of a ConvLSTM layer by finite differences', () => {
  it.each(layers)('$name', (layer) => {
    const { batch, time, inputDim, hiddenDim, kernel, size } = layer;
    const { batchFirst = false, bias = false, states = false, peephole, masks = false } = layer;
    const lead = batchFirst ? [batch, time] : [time, batch];
    const state = [batch, hiddenDim, ...size];
    const wc = [1, hiddenDim, ...(peephole === 'spatial' ? size : [1, 1])];
    const operands = {
      x: random([...lead, inputDim, ...size]),
      weight: random([4 * hiddenDim, inputDim + hiddenDim, ...kernel]),
      ...(bias ? { bias: random([4 * hiddenDim]) } : {}),
      ...(states ? { h0: random(state), c0: random(state) } : {}),
      ...(peephole ? { wci: random(wc), wcf: random(wc), wco: random(wc) } : {}),
    };
    const names = Object.keys(operands);
    const recurrentMask = masks ? random(state, 0, 2) : null;
    const zoneoutH = masks ? random([...lead, hiddenDim, ...size], 0, 1) : null;
    const zoneoutC = masks ? Tensor.full([], 0.25, { device }) : null;
    expectTrueGradients(Object.values(operands), (list) => {
      const of = (name: string) => list[names.indexOf(name)] ?? null;
      const [wci, wcf, wco] = [of('wci'), of('wcf'), of('wco')];
      const { output, h, c } = functional.convLstm(
        of('x')!,
        of('h0'),
        of('c0'),
        of('weight')!,
        of('bias'),
        {
          batchFirst,
          peephole: wci && wcf && wco ? { wci, wcf, wco } : null,
          ...{ recurrentMask, zoneoutH, zoneoutC },
        },
      );
      return [output, h, c];
    });
  });
});
