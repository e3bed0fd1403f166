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
import { largest, maxError, product, randomValues } from '../support/numbers.js';
import { shared } from '../support/shared.js';
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
  const xValues = randomValues(product(inputShape(layer)), layer.seed + 101);
  if (layer.unbounded) for (let at = 7; at < xValues.length; at += 50) xValues[at]! *= 100;
  const x = Tensor.from(xValues, inputShape(layer), { device });
  const states = layer.hiddenDim.map((_, index) => ({
    h: random(stateShape(layer, index), layer.seed + 202 + index, layer.unbounded ? 5 : 1),
    c: random(stateShape(layer, index), layer.seed + 303 + index, 2),
  }));
  const result = net.forward(x, layer.states ? states : undefined);
  const tensors = [...result.outputs, ...result.states.flatMap(({ h, c }) => [h, c])];
  return Promise.all(tensors.map((tensor) => tensor.data()));
}

describeOnTarget('random layers', () => {
  it.skipIf(targetName === 'javascript')('agree with the fallback', { timeout: 300_000 }, () => {
    const device = process.env['CONVLSTM_DEVICE'] as Device;
    const property = fc.asyncProperty(layers(limits), async (layer) => {
      const expected = await shared(layer, () => run(layer, 'javascript', 'highest'));
      for (const precision of ['highest', 'high', 'medium'] as const) {
        // The error of products of one or two bfloat16 parts grows with the operands.
        if (precision !== 'highest' && layer.unbounded) continue;
        for (const [index, values] of (await run(layer, device, precision)).entries()) {
          const scale = Math.max(1, largest(expected[index]!)); // c is not bounded by 1
          const error = maxError(values, expected[index]!);
          expect(error, precision).toBeLessThanOrEqual(kTolerance[precision] * scale);
        }
      }
    });
    return fc.assert(property, { numRuns: emulated ? 10 : 40, seed: 1 });
  });
});
