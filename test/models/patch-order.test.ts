import { describe, expect, it } from 'vitest';
import { Forecaster, manualSeed, Tensor } from '../../src/index.js';

const description = {
  version: 1,
  channels: 2,
  patchSize: 2,
  hiddenDim: [3, 3],
  kernelSize: 3,
  output: 'linear',
} as const;

/** Entries of an axis in another order, by JavaScript's own arrays. */
async function take(tensor: Tensor, axis: 0 | 1, order: readonly number[]): Promise<Tensor> {
  const rows = (await tensor.toArray()) as unknown[][];
  const rest = (row: readonly unknown[]) => row.slice(order.length);
  const taken = (row: readonly unknown[]) => [...order.map((at) => row[at]), ...rest(row)];
  return Tensor.from((axis === 0 ? taken(rows) : rows.map(taken)) as number[][]);
}

describe('patchOrder', () => {
  manualSeed(3);
  const model = new Forecaster(description);
  const own = model.stateDict();
  // OpenSTL's patches are [ph, pw, C]; entry k of this order is where PixelUnshuffle's channel k lies there.
  const inverse = [0, 4, 1, 5, 2, 6, 3, 7];
  const frames = Tensor.from(
    Float32Array.from({ length: 96 }, (_, i) => Math.sin(i)),
    [1, 3, 2, 4, 4],
  );

  async function openStl(prefix = ''): Promise<Record<string, Tensor>> {
    const dict = {
      ...own,
      'cell_list.0.conv.weight': await take(own['cell_list.0.conv.weight']!, 1, inverse),
      'head.weight': await take(own['head.weight']!, 0, inverse),
      'head.bias': await take(own['head.bias']!, 0, inverse),
    };
    return Object.fromEntries(Object.entries(dict).map(([key, value]) => [prefix + key, value]));
  }

  it.each(['', 'model.'])(
    "'channels-last' loads weights of OpenSTL's patches, prefix '%s'",
    async (prefix) => {
      const loaded = new Forecaster(description);
      loaded.loadStateDict(await openStl(prefix), { patchOrder: 'channels-last', prefix });
      const expected = await model.forward(frames, 2).data();
      expect(await loaded.forward(frames, 2).data()).toEqual(expected);
      loaded.loadStateDict(await openStl(prefix), { prefix });
      expect(await loaded.forward(frames, 2).data()).not.toEqual(expected);
    },
  );

  it('takes { data, shape }, names misshapen keys and leaves weights of one channel alone', async () => {
    const loaded = new Forecaster(description);
    const bias = { data: await own['head.bias']!.data(), shape: [8] };
    const dict = { ...(await openStl()), 'head.bias': bias };
    loaded.loadStateDict(dict, { patchOrder: 'channels-last' });
    const order = [0, 2, 4, 6, 1, 3, 5, 7];
    expect(await loaded.head.bias!.data()).toEqual(bias.data.map((_, k) => bias.data[order[k]!]!));
    const misfit = { ...dict, 'head.weight': Tensor.zeros([8, 1, 1, 1]) };
    expect(() => loaded.loadStateDict(misfit, { patchOrder: 'channels-last' })).toThrow(
      /head\.weight: expected \[8, 3, 1, 1\], got \[8, 1, 1, 1\]/,
    );
    const grey = new Forecaster({ ...description, channels: 1 });
    const before = grey.stateDict();
    grey.loadStateDict(before, { patchOrder: 'channels-last' });
    expect(await grey.head.weight.data()).toEqual(await before['head.weight']!.data());
  });

  it('refuses another order', () => {
    const patchOrder = 'last' as 'channels-last';
    expect(() => model.loadStateDict(own, { patchOrder })).toThrow(
      /patchOrder: expected 'channels-first' or 'channels-last', got 'last'/,
    );
  });
});
