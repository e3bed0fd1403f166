// Invariants: the same sequence, computed in different ways, gives the same result.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ConvLSTM, Tensor } from '../../src/index.js';
import { inputShape, type Layer, layers, options, parameterValues } from '../support/layers.js';
import { expectClose, expectSameBits, product, randomValues } from '../support/numbers.js';
import { describeOnTarget, emulated } from '../support/target.js';

const limits = emulated
  ? { channels: 6, image: 6, layers: 1 }
  : { channels: 20, image: 9, layers: 2 };
const parameters = { numRuns: emulated ? 5 : 20, seed: 2 };

/** Another kernel may serve another batch or length, so that last bits may differ. */
const kTolerance = 2e-6;

function build(layer: Layer): ConvLSTM {
  const net = new ConvLSTM(options(layer));
  const dict = [...parameterValues(layer)].map(([name, values]) => [name, Tensor.from(values)]);
  net.loadStateDict(Object.fromEntries(dict));
  return net;
}

function input(layer: Layer): Tensor {
  const shape = inputShape(layer);
  return Tensor.from(randomValues(product(shape), layer.seed + 101), shape);
}

function check(property: (layer: Layer) => Promise<void>): Promise<void> {
  return fc.assert(fc.asyncProperty(layers(limits), property), parameters);
}

describeOnTarget('properties', () => {
  it('a stream over a sequence equals its forward pass', () =>
    check(async (layer) => {
      const net = build({ ...layer, batchFirst: true });
      const x = input({ ...layer, batchFirst: true });
      const whole = net.forward(x).outputs.at(-1)!;
      const stream = net.stream();
      for (let t = 0; t < layer.time; t++) {
        const h = await stream.step(x.select(1, t)).data();
        expectClose(h, await whole.select(1, t).data(), kTolerance);
      }
    }));

  it('a sequence in two parts with states carried over equals the whole', () =>
    check(async (layer) => {
      const long = { ...layer, time: layer.time + 2 };
      const net = build(long);
      const x = input(long);
      const axis = layer.batchFirst ? 1 : 0;
      const cut = (from: number | null, to: number | null) =>
        axis === 1 ? x.slice([null, from], [null, to]) : x.slice([from], [to]);
      const whole = net.forward(x);
      const first = net.forward(cut(null, 2));
      const second = net.forward(cut(2, null), first.states);
      for (const [index, output] of whole.outputs.entries()) {
        const joined = Tensor.concat([first.outputs[index]!, second.outputs[index]!], axis);
        expectClose(await joined.data(), await output.data(), kTolerance);
      }
      for (const [index, { c }] of whole.states.entries()) {
        expectClose(await second.states[index]!.c.data(), await c.data(), kTolerance);
      }
    }));

  it('sequences of a batch are independent', () =>
    check(async (layer) => {
      const several = { ...layer, batch: layer.batch + 1 };
      const net = build(several);
      const x = input(several);
      const together = net.forward(x).outputs.at(-1)!;
      const axis = layer.batchFirst ? 0 : 1;
      for (let b = 0; b < several.batch; b++) {
        const alone = net.forward(x.select(axis, b).unsqueeze(axis)).outputs.at(-1)!;
        expectClose(await alone.data(), await together.select(axis, b).data(), kTolerance);
      }
    }));

  it('both layouts agree', () =>
    check(async (layer) => {
      const batchFirst = { ...layer, batchFirst: true };
      const timeFirst = { ...layer, batchFirst: false };
      const x = input(batchFirst);
      const swap = [1, 0, 2, 3, 4];
      const expected = build(batchFirst).forward(x);
      const actual = build(timeFirst).forward(x.permute(swap));
      for (const [index, output] of actual.outputs.entries()) {
        expectClose(await output.permute(swap).data(), await expected.outputs[index]!.data(), 0);
      }
      for (const [index, { h, c }] of actual.states.entries()) {
        expectClose(await h.data(), await expected.states[index]!.h.data(), 0);
        expectClose(await c.data(), await expected.states[index]!.c.data(), 0);
      }
    }));

  it('two runs give the same bits', () =>
    check(async (layer) => {
      const x = input(layer);
      const run = async () => {
        const { outputs, states } = build(layer).forward(x);
        return Promise.all(
          [...outputs, ...states.map(({ c }) => c)].map((tensor) => tensor.data()),
        );
      };
      const [first, second] = [await run(), await run()];
      for (const [index, values] of first.entries()) expectSameBits(values, second[index]!);
      expect(first.some((values) => values.some((value) => value !== 0))).toBe(true);
    }));
});
