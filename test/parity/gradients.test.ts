// Gradients on the target of this process against the fallback's, checked by finite differences.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ConvLSTM, type Device, functional, manualSeed, Tensor } from '../../src/index.js';
import { relativeError } from '../support/gradients.js';
import {
  inputShape,
  type Layer,
  layers,
  options,
  parameterValues,
  stateShape,
} from '../support/layers.js';
import { expectSameBits, product, randomValues } from '../support/numbers.js';
import { describeOnTarget, emulated } from '../support/target.js';

const limits = emulated
  ? { channels: 6, image: 6, layers: 1 }
  : { channels: 20, image: 9, layers: 2 };
const parameters = { numRuns: emulated ? 4 : 12, seed: 5 };
const kTolerance = { high: 1e-3, medium: 2e-2 };

interface Regularisation {
  dropout: number;
  recurrentDropout: number;
  zoneout: { h: number; c: number };
  saveEvery: number;
}

const regularisations = fc.record({
  dropout: fc.constantFrom(0, 0.3),
  recurrentDropout: fc.constantFrom(0, 0.4),
  zoneout: fc.constantFrom({ h: 0, c: 0 }, { h: 0.1, c: 0.4 }),
  saveEvery: fc.constantFrom(1, 2, 3),
});

/** One forward and backward pass: all gradients by name. */
async function gradients(
  layer: Layer,
  regularisation: Regularisation,
  device: Device | undefined,
  precision: 'highest' | 'high' | 'medium',
): Promise<Map<string, Float32Array>> {
  manualSeed(layer.seed);
  const place = { device };
  const net = new ConvLSTM({ ...options(layer), ...regularisation });
  const dict = [...parameterValues(layer)].map(([name, values]) => [name, Tensor.from(values)]);
  net.loadStateDict(Object.fromEntries(dict)).to({ precision });
  if (device) net.to(device);
  const random = (shape: number[], offset: number) =>
    Tensor.from(randomValues(product(shape), layer.seed + offset), shape, place);

  const x = random(inputShape(layer), 101);
  x.requiresGrad = true;
  const leaves = new Map<string, Tensor>([['x', x], ...net.namedParameters()]);
  const states = layer.states
    ? layer.hiddenDim.map((_, index) => {
        const h = random(stateShape(layer, index), 201 + index);
        const c = random(stateShape(layer, index), 301 + index);
        h.requiresGrad = true;
        c.requiresGrad = true;
        leaves.set(`h0.${index}`, h).set(`c0.${index}`, c);
        return { h, c };
      })
    : undefined;
  const result = net.forward(x, states);
  const results = [...result.outputs, ...result.states.flatMap(({ h, c }) => [h, c])];
  let loss = Tensor.zeros([], place);
  results.forEach((tensor, index) => {
    loss = loss.add(tensor.mul(random([...tensor.shape], 401 + index)).sum());
  });
  loss.backward();
  const found = new Map<string, Float32Array>();
  for (const [name, leaf] of leaves) found.set(name, await leaf.grad!.data());
  return found;
}

describeOnTarget('gradients', () => {
  it.each(['highest', 'high', 'medium'] as const)(
    'of ConvLSTM are the fallback’s, %s',
    (precision) =>
      fc.assert(
        fc.asyncProperty(layers(limits), regularisations, async (layer, regularisation) => {
          const actual = await gradients(layer, regularisation, undefined, precision);
          const expected = await gradients(layer, regularisation, 'javascript', precision);
          expect([...actual.keys()]).toEqual([...expected.keys()]);
          // With bfloat16 products a small tensor may be a sum that cancels and has no accuracy of
          // its own, so the gradient is compared as a whole.
          if (precision !== 'highest') {
            const whole = [actual, expected].map((all) => [...all.values()].flatMap((v) => [...v]));
            expect(relativeError(whole[0]!, whole[1]!)).toBeLessThan(kTolerance[precision]);
            return;
          }
          for (const [name, values] of expected) {
            expect(relativeError(actual.get(name)!, values), name).toBeLessThan(1e-4);
          }
        }),
        parameters,
      ),
  );

  it.each(['highest', 'medium'] as const)(
    'of ConvLSTM do not depend on how much was saved, nor on the run, %s',
    (precision) =>
      fc.assert(
        fc.asyncProperty(layers(limits), regularisations, async (layer, regularisation) => {
          const longer = { ...layer, time: layer.time + 2 };
          const all = { ...regularisation, saveEvery: 1 };
          const expected = await gradients(longer, all, undefined, precision);
          for (const saveEvery of [1, 2, 100]) {
            const other = { ...regularisation, saveEvery };
            const actual = await gradients(longer, other, undefined, precision);
            for (const [name, values] of expected) expectSameBits(actual.get(name)!, values);
          }
        }),
        { ...parameters, numRuns: emulated ? 2 : 6 },
      ),
  );

  it('of conv2d agree with the fallback', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.integer({ min: 1, max: 3 }),
          channels: fc.tuple(fc.integer({ min: 1, max: 18 }), fc.integer({ min: 1, max: 18 })),
          size: fc.tuple(fc.integer({ min: 5, max: 9 }), fc.integer({ min: 5, max: 9 })),
          kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
          stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
          padding: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
          dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
          seed: fc.nat(),
        }),
        async ({ batch, channels: [inChannels, outChannels], size, kernel, seed, ...rest }) => {
          const run = async (device?: Device) => {
            const leaf = (shape: number[], offset: number) => {
              const values = randomValues(product(shape), seed + offset);
              const tensor = Tensor.from(values, shape, { device });
              tensor.requiresGrad = true;
              return tensor;
            };
            const leaves = [
              leaf([batch, inChannels, ...size], 0),
              leaf([outChannels, inChannels, ...kernel], 1),
              leaf([outChannels], 2),
            ] as const;
            const y = functional.conv2d(...leaves, rest);
            y.backward(leaf([...y.shape], 3).detach());
            return Promise.all(leaves.map(({ grad }) => grad!.data()));
          };
          const [actual, expected] = [await run(), await run('javascript')];
          expected.forEach((values, k) => {
            expect(relativeError(actual[k]!, values)).toBeLessThan(1e-5);
          });
        },
      ),
      parameters,
    ));
});
