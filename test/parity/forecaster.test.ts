import { existsSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import {
  Forecaster,
  loadModel,
  type ModelDescriptionInput,
  safetensors,
  Tensor,
} from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { expectClose } from '../support/numbers.js';
import { describeOnTarget, emulated, targetName } from '../support/target.js';

interface Options {
  /** Forecasts in the fixture; all where it does not say. */
  leadTimes?: number[];
  architecture?: ModelDescriptionInput;
  weights?: string[];
}

const cases = new Map(loadFixture<Options>('forecaster').map((each) => [each.options.name, each]));
const weights = new URL(
  '../../examples/moving-mnist/moving-mnist-convlstm.safetensors',
  import.meta.url,
);
// Beside the repository, not part of it: a model trained with PyTorch, and PyTorch's forecast.
const shared = (name: string) => new URL(`../../../shared/models/${name}`, import.meta.url);
const golden = shared('moving-mnist-golden.safetensors');
const trainedInPyTorch = shared('moving-mnist-convlstm.safetensors');
const tolerance = 1e-4;

describeOnTarget('Forecaster agrees with PyTorch', () => {
  const models: Forecaster[] = [];
  afterAll(() => {
    for (const model of models) model.dispose();
  });

  it('over a rollout of the Moving MNIST model', async () => {
    const { options, tensors } = cases.get('moving-mnist')!;
    const model = await loadModel(weights);
    models.push(model);
    const { values, shape } = tensors.get('frames')!;
    const steps = options.leadTimes!.at(-1)!;
    using forecast = model.forward(Tensor.from({ data: values, shape }), steps);
    expect(forecast.shape).toEqual([1, steps, 1, 64, 64]);
    const all = await forecast.data();
    const area = 64 * 64;
    const picked = options.leadTimes!.flatMap((lead) => [
      ...all.subarray((lead - 1) * area, lead * area),
    ]);
    expectClose(picked, tensors.get('forecast')!.values, tolerance);
  });

  it('with options other than the defaults, in one call and frame by frame', async () => {
    const { options, tensors } = cases.get('small')!;
    const model = new Forecaster(options.architecture!);
    models.push(model);
    const dict = options.weights!.map((name) => {
      const { values, shape } = tensors.get(name)!;
      return [name, Tensor.from(values, shape)] as const;
    });
    model.loadStateDict(Object.fromEntries(dict));
    const { values, shape } = tensors.get('frames')!;
    using frames = Tensor.from(values, shape);
    const expected = tensors.get('forecast')!;
    const steps = expected.shape[1]!;
    using whole = model.forward(frames, steps);
    expect(whole.shape).toEqual(expected.shape);
    const inOnePiece = await whole.data();
    expectClose(inOnePiece, expected.values, tolerance);

    const each = Array.from({ length: shape[1]! }, (_, t) => frames.select(1, t));
    const parts: Tensor[] = [];
    for await (const frame of model.forecast(each, steps)) parts.push(frame);
    using stacked = Tensor.stack(parts, 1);
    expectClose(await stacked.data(), inOnePiece, 1e-6);
  });

  it.skipIf(emulated || !existsSync(golden))('with weights trained in PyTorch', async () => {
    const { frames, forecast } = await safetensors.load(golden);
    const model = new Forecaster({ version: 1, patchSize: 4, hiddenDim: [64, 64], kernelSize: 3 });
    models.push(model);
    model.loadStateDict(await safetensors.load(trainedInPyTorch));
    // Four sequences, one on the fallback, which is slow.
    const count = targetName === 'javascript' ? 1 : 4;
    using given = frames!.slice([0, 0], [count, 10]);
    using expected = forecast!.slice([0], [count]);
    using ours = model.forward(given, 10);
    expectClose(await ours.data(), await expected.data(), tolerance);
  });
});
