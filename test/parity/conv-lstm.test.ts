// Every case of test/fixtures/conv_lstm.py, on the target of this process, in each precision.
import { expect, it } from 'vitest';
import { ConvLSTM, type GateOrder, Tensor } from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { expectClose, largest } from '../support/numbers.js';
import { describeOnTarget } from '../support/target.js';

interface Options {
  inputDim: number;
  hiddenDim: number[];
  kernelSize: [number, number][];
  bias: boolean;
  batchFirst: boolean;
  gateOrder: GateOrder;
  peephole: false | 'channel' | 'spatial';
  imageSize: [number, number];
  float32Error: number;
}

const kTolerance = { highest: 1e-5, high: 1e-4, medium: 2e-2 };

const cases = loadFixture<Options>('conv_lstm');

for (const precision of ['highest', 'high', 'medium'] as const) {
  describeOnTarget(`ConvLSTM, ${precision}`, () => {
    it.each(cases)('$options.name', async ({ options, tensors }) => {
      const tensor = (name: string) => {
        const { values, shape } = tensors.get(name)!;
        return Tensor.from(Float32Array.from(values), shape);
      };
      const { name: _name, gateOrder, float32Error, imageSize, ...configuration } = options;
      const net = new ConvLSTM({
        ...configuration,
        numLayers: options.hiddenDim.length,
        returnAllLayers: true,
        ...(options.peephole === 'spatial' ? { imageSize } : {}),
      }).to({ precision });
      const prefix = 'state_dict/';
      const keys = [...tensors.keys()].filter((key) => key.startsWith(prefix));
      const dict = Object.fromEntries(keys.map((key) => [key.slice(prefix.length), tensor(key)]));
      net.loadStateDict(dict, { gateOrder });

      const given = tensors.has('h0.0')
        ? options.hiddenDim.map((_, layer) => ({
            h: tensor(`h0.${layer}`),
            c: tensor(`c0.${layer}`),
          }))
        : undefined;
      const { outputs, states } = net.forward(tensor('x'), given);

      expect(outputs).toHaveLength(options.hiddenDim.length);
      expect(states).toHaveLength(options.hiddenDim.length);
      for (const [layer, output] of outputs.entries()) {
        const expected = tensors.get(`output.${layer}`)!;
        const c = tensors.get(`c.${layer}`)!;
        expect(output.shape).toEqual(expected.shape);
        expectClose(await output.data(), expected.values, kTolerance[precision]);
        expect(states[layer]!.c.shape).toEqual(c.shape);
        const scale = Math.max(1, largest(c.values));
        expectClose(await states[layer]!.c.data(), c.values, kTolerance[precision] * scale);

        const axis = options.batchFirst ? 1 : 0;
        const last = output.select(axis, -1);
        expectClose(await states[layer]!.h.data(), await last.data(), 0);
      }
    });
  });
}
