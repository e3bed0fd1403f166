// Random layers: the target agrees with the TypeScript fallback, which accumulates in float64.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ConvLSTM, type Device, type Precision, Tensor } from '../../src/index.js';
import {
  inputShape,
  type Layer,
  layers,
  options,
  parameterValues,
  stateShape,
} from '../support/layers.js';
import { maxError, product, randomValues } from '../support/numbers.js';
import { describeOnTarget, emulated, targetName } from '../support/target.js';

const kTolerance = { highest: 1e-5, high: 1e-4, medium: 2e-2 };
const limits = emulated
  ? { channels: 20, image: 8, layers: 1 }
  : { channels: 40, image: 14, layers: 2 };

async function run(layer: Layer, device: Device, precision: Precision): Promise<Float32Array[]> {
  const net = new ConvLSTM(options(layer)).to({ device, precision });
  const dict = [...parameterValues(layer)].map(([name, values]) => [name, Tensor.from(values)]);
  net.loadStateDict(Object.fromEntries(dict));
  const random = (shape: number[], seed: number, scale: number) =>
    Tensor.from(randomValues(product(shape), seed, scale), shape, { device });
  const x = random(inputShape(layer), layer.seed + 101, 1);
  const states = layer.hiddenDim.map((_, index) => ({
    h: random(stateShape(layer, index), layer.seed + 202 + index, 1),
    c: random(stateShape(layer, index), layer.seed + 303 + index, 2),
  }));
  const result = net.forward(x, layer.states ? states : undefined);
  const tensors = [...result.outputs, ...result.states.flatMap(({ h, c }) => [h, c])];
  return Promise.all(tensors.map((tensor) => tensor.data()));
}

describeOnTarget('random layers against the fallback', () => {
  const runs = emulated ? 10 : 40;
  it.skipIf(targetName === 'javascript').each(['highest', 'high', 'medium'] as const)(
    '%s',
    { timeout: 180_000 },
    async (precision) => {
      const device = process.env['CONVLSTM_DEVICE'] as Device;
      await fc.assert(
        fc.asyncProperty(layers(limits), async (layer) => {
          const actual = await run(layer, device, precision);
          const expected = await run(layer, 'javascript', 'highest');
          for (const [index, values] of actual.entries()) {
            const error = maxError(values, expected[index]!);
            expect(error).toBeLessThanOrEqual(kTolerance[precision]);
          }
        }),
        { numRuns: runs, seed: 1 },
      );
    },
  );
});
