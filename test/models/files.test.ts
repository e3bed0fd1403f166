import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Forecaster,
  loadModel,
  manualSeed,
  safetensors,
  saveModel,
  Tensor,
} from '../../src/index.js';

const description = { version: 1, hiddenDim: [3], patchSize: 2 } as const;

let folder: string;
let weights: string;
let model: Forecaster;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
  weights = join(folder, 'weights.safetensors');
  manualSeed(1);
  model = new Forecaster(description);
  await saveModel(weights, model, { metadata: { epochs: '3' } });
});
afterAll(async () => {
  model.dispose();
  await rm(folder, { recursive: true });
});

async function forecastOf(forecaster: Forecaster): Promise<number[]> {
  using frames = Tensor.full([1, 2, 1, 4, 6], 0.5);
  using forecast = forecaster.forward(frames, 2);
  return [...(await forecast.data())];
}

describe('a saved model', () => {
  it('loads with its description, weights and other metadata', async () => {
    using loaded = await loadModel(weights);
    expect(loaded.description).toEqual(model.description);
    expect(loaded.training).toBe(false);
    expect(await forecastOf(loaded)).toEqual(await forecastOf(model));
    const { metadata, tensors } = await safetensors.readHeader(weights);
    expect(metadata['epochs']).toBe('3');
    expect(tensors.map(({ name }) => name)).toEqual([
      'cell_list.0.conv.weight',
      'cell_list.0.conv.bias',
      'head.weight',
      'head.bias',
    ]);
  });

  it('takes a description from an object or a file before that of the metadata', async () => {
    const beside = join(folder, 'model.json');
    await writeFile(beside, JSON.stringify({ ...description, scale: 7 }));
    for (const given of [beside, { ...description, scale: 7 }]) {
      using loaded = await loadModel(weights, { model: given });
      expect(loaded.description.scale).toBe(7);
    }
  });
});

describe('loadModel refuses', () => {
  const dict = () => Object.fromEntries(model.namedParameters());
  const bytes = (metadata: Record<string, string>) => safetensors.save(null, dict(), { metadata });

  it('weights without a description', async () => {
    const loading = loadModel(await bytes({}));
    await expect(loading).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(loading).rejects.toThrow("bytes: its metadata has no 'convlstm'");
  });

  it.each([
    ['{', 'bytes: metadata convlstm: is not valid JSON'],
    ['{"version":1,"hiddenDim":[-3]}', 'bytes: metadata convlstm: hiddenDim: expected a list'],
  ])('the description %s', async (convlstm, message) => {
    const loading = loadModel(await bytes({ convlstm }));
    await expect(loading).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(loading).rejects.toThrow(message);
  });

  it('a malformed or missing description file, by name', async () => {
    const broken = join(folder, 'broken.json');
    await writeFile(broken, '{"version":1}');
    await expect(loadModel(weights, { model: broken })).rejects.toThrow(
      /broken\.json: hiddenDim: /,
    );
    const missing = loadModel(weights, { model: join(folder, 'missing.json') });
    await expect(missing).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it('weights of another model, key by key', async () => {
    const convlstm = JSON.stringify({ ...description, hiddenDim: [3, 1], bias: false });
    const loading = loadModel(await bytes({ convlstm }));
    await expect(loading).rejects.toMatchObject({ code: 'ERR_STATE_DICT' });
    await expect(loading).rejects.toThrow(/unexpected key cell_list\.0\.conv\.bias/);
    await expect(loading).rejects.toThrow(/missing key cell_list\.1\.conv\.weight/);
    await expect(loading).rejects.toThrow(
      /head\.weight: expected \[4, 1, 1, 1\], got \[4, 3, 1, 1\]/,
    );
  });

  it('a model that exceeds memory, before building it', async () => {
    const convlstm = JSON.stringify({ version: 1, hiddenDim: [2 ** 40], patchSize: 2 });
    const loading = loadModel(await bytes({ convlstm }));
    await expect(loading).rejects.toMatchObject({ code: 'ERR_STATE_DICT' });
    await expect(loading).rejects.toThrow(/the model has 4.35\d+e\+25 parameters, the file 784$/);
  });
});

describe('Forecaster', () => {
  it('divides frames by the scale and multiplies forecasts by it', async () => {
    using scaled = new Forecaster({ ...description, scale: 4 });
    scaled.loadStateDict(Object.fromEntries(model.namedParameters()));
    using frames = Tensor.full([1, 2, 1, 4, 6], 2);
    using forecast = scaled.forward(frames, 2);
    const expected = (await forecastOf(model)).map((value) => 4 * value);
    expect([...(await forecast.data())]).toEqual(expected);
  });

  it('normalizes frames of any shape by the scale', async () => {
    using scaled = new Forecaster({ ...description, scale: 20 });
    using rain = Tensor.from([
      [0, 5],
      [20, 30],
    ]);
    using image = scaled.normalize(rain);
    expect(await image.toArray()).toEqual([
      [0, 0.25],
      [1, 1.5],
    ]);
    using same = model.normalize(rain);
    rain.dispose();
    expect(await same.data()).toEqual(Float32Array.of(0, 5, 20, 30));
  });

  it('refuses frames and steps that do not fit', async () => {
    using odd = Tensor.zeros([1, 2, 1, 4, 5]);
    expect(() => model.forward(odd, 1)).toThrow(/a multiple of 2.*got \[1, 2, 1, 4, 5\]/);
    using good = Tensor.zeros([1, 2, 1, 4, 4]);
    expect(() => model.forward(good, 0)).toThrow(/steps: expected a positive integer/);
    await expect(model.forecast([], 1).next()).rejects.toThrow(/has seen no frame yet/);
  });

  it('reads the source once to its end and stops with the caller', async () => {
    let read = 0;
    const source = function* () {
      for (; read < 3; read++) yield { data: new Float32Array(16), shape: [1, 1, 4, 4] };
    };
    const forecasts = model.forecast(source(), 5);
    for await (const frame of forecasts) {
      frame.dispose();
      break;
    }
    expect(read).toBe(3);
    expect((await forecasts.next()).done).toBe(true);
  });
});
