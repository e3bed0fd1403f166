import { describe, expect, it } from 'vitest';
import { ConvLSTM, ConvLSTMCell, type ConvLSTMOptions, noGrad, Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

const kernels = (net: ConvLSTM) => net.cells.map((cell) => cell.kernelSize);

describe('ConvLSTM options', () => {
  it('numLayers defaults to the length of the lists', () => {
    const make = (options: Partial<ConvLSTMOptions>) =>
      new ConvLSTM({ inputDim: 1, hiddenDim: 2, kernelSize: 3, ...options });
    expect(make({}).numLayers).toBe(1);
    expect(make({ hiddenDim: [2, 3] }).numLayers).toBe(2);
    expect(make({ kernelSize: [3, 1, 5] }).numLayers).toBe(3);
    expect(make({ numLayers: 2 }).hiddenDim).toEqual([2, 2]);
    expect(make({ hiddenDim: [2, 3] }).cells.map((cell) => cell.inputDim)).toEqual([1, 2]);
  });

  it('kernelSize is one size, one pair or one entry per layer', () => {
    const make = (kernelSize: ConvLSTMOptions['kernelSize'], numLayers: number) =>
      kernels(new ConvLSTM({ inputDim: 1, hiddenDim: 1, kernelSize, numLayers }));
    expect(make(3, 2)).toEqual([
      [3, 3],
      [3, 3],
    ]);
    expect(make([3, 5], 1)).toEqual([[3, 5]]);
    expect(make([3, 5], 2)).toEqual([
      [3, 5],
      [3, 5],
    ]);
    expect(make([3, 5, 7], 3)).toEqual([
      [3, 3],
      [5, 5],
      [7, 7],
    ]);
    expect(make([[3, 5], 1], 2)).toEqual([
      [3, 5],
      [1, 1],
    ]);
    expect(
      make(
        [
          [3, 3],
          [5, 5],
        ],
        2,
      ),
    ).toEqual([
      [3, 3],
      [5, 5],
    ]);
    expect(make([7], 1)).toEqual([[7, 7]]);
  });

  it('names the invalid option', () => {
    const good = { inputDim: 1, hiddenDim: 2, kernelSize: 3 };
    const bad: [object, string][] = [
      [{ ...good, hiddenDim: [2, 2], numLayers: 3 }, 'hiddenDim has 2 entries but numLayers is 3'],
      [
        { ...good, kernelSize: [3, 3, 3], numLayers: 2 },
        'kernelSize has 3 entries but numLayers is 2',
      ],
      [{ ...good, hiddenDim: [] }, 'numLayers'],
      [{ ...good, hiddenDim: [2, 0] }, 'hiddenDim: expected a positive integer, got 0'],
      [{ ...good, inputDim: 0 }, 'inputDim'],
      [{ ...good, kernelSize: 0 }, 'kernelSize'],
      [{ ...good, numLayers: -1 }, 'numLayers'],
      [{ ...good, numLayers: 1025 }, 'numLayers: expected at most 1024, got 1025'],
      [{ ...good, numLayers: 1e10 }, 'numLayers: expected at most 1024, got 10000000000'],
      [{ ...good, batchFirst: 'yes' }, 'batchFirst'],
      [{ ...good, bias: 'no' }, 'bias: expected true or false'],
      [{ ...good, peephole: true }, 'peephole'],
      [
        { ...good, peephole: 'spatial' },
        "imageSize: expected [height, width] with peephole 'spatial', got undefined",
      ],
      [{ ...good, imageSize: [4, 4] }, 'imageSize'],
      [{ ...good, batch_first: true }, `no option 'batch_first'`],
    ];
    for (const [options, part] of bad) {
      expectError(() => new ConvLSTM(options as ConvLSTMOptions), 'ERR_OPTION', part);
    }
  });

  it('has the parameters of the paper and of ndrplz', () => {
    const shapes = (options: Partial<ConvLSTMOptions>) =>
      Object.entries(
        new ConvLSTM({ inputDim: 3, hiddenDim: 2, kernelSize: [3, 5], ...options }).stateDict(),
      ).map(([name, tensor]) => [name.replace('cell_list.0.', ''), tensor.shape]);
    const conv = [
      ['conv.weight', [8, 5, 3, 5]],
      ['conv.bias', [8]],
    ];
    expect(shapes({})).toEqual(conv);
    expect(shapes({ bias: false })).toEqual([conv[0]]);
    const peepholes = (shape: number[]) => ['Wci', 'Wcf', 'Wco'].map((name) => [name, shape]);
    expect(shapes({ peephole: 'channel' })).toEqual([...conv, ...peepholes([1, 2, 1, 1])]);
    expect(shapes({ peephole: 'spatial', imageSize: [6, 7] })).toEqual([
      ...conv,
      ...peepholes([1, 2, 6, 7]),
    ]);
  });
});

describe.each(devices)('ConvLSTM on %s', (device) => {
  const net = new ConvLSTM({ inputDim: 3, hiddenDim: [4, 2], kernelSize: 3, batchFirst: true });
  const make = (options: Partial<ConvLSTMOptions> = {}) => {
    const made = new ConvLSTM({ inputDim: 3, hiddenDim: [4, 2], kernelSize: 3, ...options });
    return made.to(device).loadStateDict(net.stateDict());
  };

  it('returns the last layer, or all, and every state', () => {
    const x = Tensor.randn([2, 5, 3, 6, 7], { device });
    const { output, outputs, states } = make({ batchFirst: true }).forward(x);
    expect(output).toBe(outputs[0]);
    expect(outputs.map((output) => output.shape)).toEqual([[2, 5, 2, 6, 7]]);
    expect(states.map(({ h, c }) => [h.shape, c.shape])).toEqual([
      [
        [2, 4, 6, 7],
        [2, 4, 6, 7],
      ],
      [
        [2, 2, 6, 7],
        [2, 2, 6, 7],
      ],
    ]);
    const all = make({ batchFirst: true, returnAllLayers: true }).forward(x);
    expect(all.outputs.map((output) => output.shape)).toEqual([
      [2, 5, 4, 6, 7],
      [2, 5, 2, 6, 7],
    ]);
    expect(all.output).toBe(all.outputs[1]);
    expect(all.output.toArraySync()).toEqual(output.toArraySync());
    expect(all.outputs[0]!.select(1, 4).toArraySync()).toEqual(all.states[0]!.h.toArraySync());
    expect(x.disposed).toBe(false);
  });

  it('output and the last of outputs are one tensor, disposed of as one', () => {
    const x = Tensor.randn([2, 5, 3, 6, 7], { device });
    const { output, outputs, states } = make({ returnAllLayers: true }).forward(x);
    for (const tensor of outputs) tensor.dispose();
    expect(output.disposed).toBe(true);
    output.dispose();
    expect(states.map(({ h }) => h.disposed)).toEqual([false, false]);
  });

  it('time first is the default', () => {
    const { outputs } = make().forward(Tensor.zeros([5, 2, 3, 4, 4], { device }));
    expect(outputs[0]!.shape).toEqual([5, 2, 2, 4, 4]);
  });

  it('cells one after another give the same as the stack', () => {
    const stack = make({ batchFirst: true });
    const x = Tensor.randn([1, 3, 3, 5, 4], { device });
    const states = stack.initHidden(1, [5, 4]);
    for (let t = 0; t < 3; t++) {
      let input = x.select(1, t);
      stack.cells.forEach((cell, layer) => {
        states[layer] = cell.forward(input, states[layer]);
        input = states[layer].h;
      });
    }
    const expected = stack.forward(x).states;
    states.forEach(({ h, c }, layer) => {
      for (const [actual, wanted] of [
        [h, expected[layer]!.h],
        [c, expected[layer]!.c],
      ] as const) {
        const error = actual.sub(wanted).abs().max().itemSync();
        expect(error).toBeLessThan(1e-6);
      }
    });
  });

  it('a layer without a state starts from zeros', () => {
    const stack = make({ batchFirst: true });
    const x = Tensor.randn([1, 2, 3, 4, 4], { device });
    const given = stack.forward(x, [null, stack.initHidden(1, 4)[1]!]);
    expect(given.outputs[0]!.toArraySync()).toEqual(stack.forward(x).outputs[0]!.toArraySync());
  });

  it('names the expected and the given shape', () => {
    const stack = make({ batchFirst: true });
    const x = Tensor.zeros([1, 10, 3, 4, 4], { device });
    const refused = (action: () => unknown, part: string) => expectError(action, 'ERR_SHAPE', part);
    refused(
      () => stack.forward(Tensor.zeros([1, 10, 8, 64, 64])),
      'input: expected [B, T, 3, H, W], got [1, 10, 8, 64, 64]',
    );
    refused(() => make().forward(Tensor.zeros([3, 4, 4])), 'expected [T, B, 3, H, W]');
    refused(
      () => stack.forward(x, stack.initHidden(1, 4).slice(1)),
      'states has 1 entries but numLayers is 2',
    );
    refused(
      () => stack.forward(x, stack.initHidden(2, 4)),
      'states[0].h: expected [1, 4, 4, 4], got [2, 4, 4, 4]',
    );
    const [first, second] = stack.initHidden(1, 4);
    refused(
      () => stack.forward(x, [first!, { h: second!.h, c: first!.c }]),
      'states[1].c: expected [1, 2, 4, 4], got [1, 4, 4, 4]',
    );
    refused(() => stack.forward(Tensor.zeros([1, 0, 3, 4, 4], { device })), 'input');
    refused(() => stack.cells[0]!.forward(x), 'input: expected [B, 3, H, W]');
  });
});

describe.each(devices)('peepholes on %s', (device) => {
  it('i and f see the old c, o the new one', () => {
    const cell = new ConvLSTMCell({
      inputDim: 1,
      hiddenDim: 1,
      kernelSize: 1,
      bias: false,
      peephole: 'spatial',
      imageSize: [1, 2],
    }).to(device);
    const scalar = (value: number, shape: number[]) => Tensor.full(shape, value);
    cell.loadStateDict({
      'conv.weight': scalar(0, [4, 2, 1, 1]),
      Wci: Tensor.from([[[[1, -1]]]]),
      Wcf: Tensor.from([[[[2, 0.5]]]]),
      Wco: Tensor.from([[[[3, -2]]]]),
    });
    const c0 = [0.5, -1.5];
    const { h, c } = cell.forward(Tensor.zeros([1, 1, 1, 2], { device }), {
      h: Tensor.zeros([1, 1, 1, 2], { device }),
      c: Tensor.from([[[c0]]], undefined, { device }),
    });
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    const newC = [sigmoid(2 * 0.5) * 0.5, sigmoid(0.5 * -1.5) * -1.5]; // g = tanh(0) = 0
    const newH = newC.map((value, k) => sigmoid([3, -2][k]! * value) * Math.tanh(value));
    c.dataSync().forEach((value, k) => {
      expect(value).toBeCloseTo(newC[k]!, 6);
    });
    h.dataSync().forEach((value, k) => {
      expect(value).toBeCloseTo(newH[k]!, 6);
    });
  });
});

describe.each(devices)('ConvLSTM within noGrad on %s', (device) => {
  const batch = 2;
  const size: [number, number] = [9, 7];

  it.each([
    { batchFirst: true, time: 1, given: false },
    { batchFirst: true, time: 7, given: true },
    { batchFirst: false, time: 2, given: true },
    { batchFirst: false, time: 6, given: false },
  ])('gives the same bits: %o', async ({ batchFirst, time, given }) => {
    const hiddenDim = [6, 5, 8];
    const net = new ConvLSTM({
      ...{ inputDim: 3, hiddenDim, kernelSize: 3, batchFirst },
      peephole: 'channel',
    }).to(device);
    const x = Tensor.randn([...(batchFirst ? [batch, time] : [time, batch]), 3, ...size], {
      device,
    });
    const state = (hidden: number) => Tensor.randn([batch, hidden, ...size], { device });
    const states = given ? hiddenDim.map((n) => ({ h: state(n).tanh(), c: state(n) })) : null;
    const recorded = net.forward(x, states);
    const result = noGrad(() => net.forward(x, states));
    expect(result.output).toBe(result.outputs[0]);
    expect(result.outputs[0]!.shape).toEqual(recorded.outputs[0]!.shape);
    expect(await result.outputs[0]!.data()).toEqual(await recorded.outputs[0]!.data());
    for (const [layer, { h, c }] of result.states.entries()) {
      expect(h.shape).toEqual([batch, hiddenDim[layer], ...size]);
      expect(await h.data()).toEqual(await recorded.states[layer]!.h.data());
      expect(await c.data()).toEqual(await recorded.states[layer]!.c.data());
    }
  });

  it('keeps dropout and zoneout', async () => {
    const x = Tensor.randn([1, 3, 3, ...size], { device });
    const options = { inputDim: 3, hiddenDim: [4, 4], kernelSize: 3, batchFirst: true };
    for (const regularized of [{ dropout: 0.5 }, { recurrentDropout: 0.5 }, { zoneout: 0.5 }]) {
      const net = new ConvLSTM({ ...options, ...regularized }).to(device);
      const plain = new ConvLSTM(options).to(device);
      plain.loadStateDict(net.stateDict());
      const [a, b] = noGrad(() => [net.forward(x), plain.forward(x)]);
      expect(await a!.outputs[0]!.data()).not.toEqual(await b!.outputs[0]!.data());
    }
  });
});
