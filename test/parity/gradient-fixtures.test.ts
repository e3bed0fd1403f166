// Every case of test/fixtures/gradients.py: gradients of ConvLSTMs in each precision.
import { expect, it } from 'vitest';
import { ConvLSTM, Tensor } from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { relativeError } from '../support/gradients.js';
import { describeOnTarget } from '../support/target.js';

interface Options {
  inputDim: number;
  hiddenDim: number[];
  kernelSize: [number, number][];
  bias: boolean;
  batchFirst: boolean;
  peephole: false | 'channel' | 'spatial';
  imageSize: [number, number];
}

const kTolerance = { highest: 1e-4, high: 1e-3, medium: 2e-2 };

const cases = loadFixture<Options>('gradients');

for (const precision of ['highest', 'high', 'medium'] as const) {
  describeOnTarget(`gradients of ConvLSTM, ${precision}`, () => {
    it.each(cases)('$options.name', async ({ options, tensors }) => {
      const tensor = (name: string) => {
        const { values, shape } = tensors.get(name)!;
        return Tensor.from(Float32Array.from(values), shape);
      };
      const leaf = (name: string) => {
        const result = tensor(`given.${name}`);
        result.requiresGrad = true;
        return result;
      };
      const { name: _name, imageSize, hiddenDim, ...configuration } = options;
      const net = new ConvLSTM({
        ...configuration,
        hiddenDim,
        numLayers: hiddenDim.length,
        returnAllLayers: true,
        ...(options.peephole === 'spatial' ? { imageSize } : {}),
      }).to({ precision });
      const prefix = 'given.cell_list.';
      const keys = [...tensors.keys()].filter((key) => key.startsWith(prefix));
      net.loadStateDict(
        Object.fromEntries(keys.map((key) => [key.slice('given.'.length), tensor(key)])),
      );
      const x = leaf('x');
      const leaves = new Map<string, Tensor>([['x', x], ...net.namedParameters()]);
      const states = tensors.has('given.h0.0')
        ? hiddenDim.map((_, layer) => {
            const [h, c] = [leaf(`h0.${layer}`), leaf(`c0.${layer}`)];
            leaves.set(`h0.${layer}`, h).set(`c0.${layer}`, c);
            return { h, c };
          })
        : undefined;

      const result = net.forward(x, states);
      let loss = Tensor.zeros([]);
      for (const layer of hiddenDim.keys()) {
        const output = result.outputs[layer]!.mul(tensor(`upstream.output.${layer}`)).sum();
        const c = result.states[layer]!.c.mul(tensor(`upstream.c.${layer}`)).sum();
        loss = loss.add(output).add(c);
      }
      loss.backward();

      const expected = [...tensors.keys()].filter((key) => key.startsWith('grad.'));
      expect(expected.map((key) => key.slice('grad.'.length)).sort()).toEqual(
        [...leaves.keys()].sort(),
      );
      for (const [name, each] of leaves) {
        const { values, shape } = tensors.get(`grad.${name}`)!;
        expect(each.grad!.shape).toEqual(shape);
        const error = relativeError(await each.grad!.data(), values);
        expect(error, name).toBeLessThanOrEqual(kTolerance[precision]);
      }
    });
  });
}
