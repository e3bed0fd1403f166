import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bceWithLogitsLoss,
  cropFrames,
  Forecaster,
  fillMissing,
  gif,
  huberLoss,
  type LossOptions,
  l1Loss,
  manualSeed,
  mseLoss,
  type NdArray,
  padFrames,
  png,
  scoreByLeadTime,
  ssimLoss,
  Tensor,
} from '../../src/index.js';

describe('missing values in losses', () => {
  const losses: [string, (x: Tensor, y: Tensor, options: LossOptions) => Tensor][] = [
    ['mse', mseLoss],
    ['l1', l1Loss],
    ['huber', huberLoss],
    ['bce', bceWithLogitsLoss],
    ['ssim', ssimLoss],
  ];

  it.each(losses)('%s: no weight, gradient exactly 0', async (_, loss) => {
    manualSeed(3);
    const input = Tensor.rand([1, 12, 12]);
    input.requiresGrad = true;
    const truth = (await Tensor.rand([1, 12, 12]).data()).slice();
    const weights = truth.map((value) => (value < 0.3 ? 0 : 1));
    const weight = Tensor.from(weights, [1, 12, 12]);
    const lossOf = (target: Float32Array) =>
      loss(input, Tensor.from(target, [1, 12, 12]), { weight });
    const value = lossOf(truth);
    value.backward();
    const gradient = await input.grad!.data();
    gradient.forEach((slope, i) => {
      if (weights[i] === 0) expect(Math.abs(slope)).toBe(0);
    });
    expect(gradient.some((slope) => slope !== 0)).toBe(true);
    const other = truth.map((one, i) => (weights[i] === 0 ? 0.9 : one));
    if (loss !== ssimLoss) expect(await lossOf(other).item()).toBeCloseTo(await value.item(), 6);
  });

  it('is the mean over the rest, 0 without any', async () => {
    const x = Tensor.from([1, 2, 3]);
    const y = Tensor.zeros([3]);
    const some = mseLoss(x, y, { weight: Tensor.from([1, 0, 1]) });
    expect(await some.item()).toBe(5);
    expect(await mseLoss(x, y, { weight: Tensor.zeros([3]) }).item()).toBe(0);
    expect(() => mseLoss(x, y, { weight: Tensor.zeros([2]) })).toThrow(
      'mseLoss: weight: expected [3] as the target, got [2]',
    );
  });
});

it('does not count missing pixels and frames in scores', () => {
  const truth = { data: new Float32Array(2 * 12 * 13).fill(0.5), shape: [1, 2, 1, 12, 13] };
  const forecast = { data: new Float32Array(2 * 12 * 13).fill(0.25), shape: truth.shape };
  truth.data.fill(NaN, 0, 3);
  truth.data.fill(NaN, 12 * 13);
  const scores = scoreByLeadTime(forecast, truth);
  expect(scores.squaredError).toEqual([153 / 16, NaN]);
  expect(scores.absoluteError).toEqual([153 / 4, NaN]);
  expect(scores.ssim[0]).toBeGreaterThan(0);
  expect(scores.ssim[1]).toBeNaN();
});

describe('missing values in forecasts', () => {
  const frame = (values: (i: number) => number) => ({
    data: Float32Array.from({ length: 15 * 13 }, (_, i) => values(i)),
    shape: [1, 15, 13],
  });
  async function forecast(model: Forecaster, frames: (NdArray | Tensor)[]) {
    const results: Float32Array[] = [];
    for await (const next of model.forecast(frames, 2)) {
      expect(next.shape).toEqual([1, 1, 15, 13]);
      results.push(await next.data());
    }
    return results;
  }

  it('are 0 for the network; NaN stays where nothing was seen', async () => {
    manualSeed(5);
    const model = new Forecaster({ version: 1, patchSize: 4, hiddenDim: [3], missing: -9999 });
    const wave = (i: number) => (i % 5) / 5;
    const gaps = [NaN, Infinity, -9999].map((gap) =>
      frame((i) => (i === 3 || i === 20 ? gap : wave(i))),
    );
    const last = frame((i) => (i === 3 ? NaN : wave(i)));
    const zeros = [...gaps, last].map((each) => fillMissing(each, -9999));
    const got = await forecast(model, [...gaps, last]);
    const expected = await forecast(model, zeros);
    got.forEach((values, step) => {
      expect(values[3]).toBeNaN();
      expect(values.filter(Number.isNaN)).toHaveLength(1);
      expect(values[20]).toBe(expected[step]![20]);
    });
    const tensors = [...gaps, last].map(({ data, shape }) => Tensor.from(data, shape));
    expect(await forecast(model, tensors)).toEqual(got);
  });

  it('are blue in pictures, which are unchanged without them', () => {
    const data = Float32Array.of(0, 1, NaN, 0.5);
    const image = png.encode({ data, shape: [2, 2] });
    expect(image[25]).toBe(2); // colour type: RGB
    expect(png.encode({ data: fillMissing({ data, shape: [4] }).data, shape: [2, 2] })[25]).toBe(0);
    expect([...gif.encode([{ data, shape: [2, 2] }]).subarray(13, 19)]).toEqual([
      0, 0, 0, 64, 96, 160,
    ]);
  });
});

it('pads and crops any frames', () => {
  const sizes = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(fc.array(sizes, { minLength: 2, maxLength: 4 }), sizes, (shape, patch) => {
      const size = shape.reduce((product, length) => product * length);
      const frames = { data: Float32Array.from({ length: size }, (_, i) => i + 1), shape };
      const padded = padFrames(frames, patch, -1);
      const [height, width] = padded.shape.slice(-2) as [number, number];
      expect([height % patch, width % patch]).toEqual([0, 0]);
      expect(padded.data.filter((value) => value > 0)).toHaveLength(size);
      expect(cropFrames(padded, shape.slice(-2) as [number, number])).toEqual(frames);
    }),
  );
});

describe('transforms', () => {
  it.each(['none', 'sqrt', 'log', 'dbz'] as const)(
    '%s inverts, 0..scale to 0..1',
    async (transform) => {
      const model = new Forecaster({ version: 1, hiddenDim: [2], transform, scale: 20 });
      const rain = [0, 0.5, 1, 7, 20, 60];
      const units = model.normalize(Tensor.from(rain));
      const values = await units.data();
      expect(values[0]).toBe(0);
      expect(values[4]).toBeCloseTo(1, 6);
      expect([...values]).toEqual([...values].sort((a, b) => a - b));
      const back = await model.denormalize(units).data();
      rain.forEach((rate, i) => void expect(back[i]! / (rate || 1)).toBeCloseTo(rate && 1, 4));
    },
  );

  it('dbz is reflectivity by Z = 200 R^1.6', async () => {
    const model = new Forecaster({ version: 1, hiddenDim: [2], transform: 'dbz', scale: 10 });
    const [got] = await model.normalize(Tensor.from([2])).data();
    const dbz = (rate: number) => 10 * Math.log10(200 * rate ** 1.6);
    expect(got).toBeCloseTo(dbz(2) / dbz(10), 5);
  });
});
