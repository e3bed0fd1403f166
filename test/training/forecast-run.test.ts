import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConvLSTMCell,
  manualSeed,
  npy,
  parseTrainConfig,
  Tensor,
  type TrainConfig,
} from '../../src/index.js';
import {
  buildModel,
  openData,
  trainingLoss,
  validationLoss,
} from '../../src/training/forecast-run.js';
import { buildOptimizer } from '../../src/training/optimizers.js';
import { buildSchedule } from '../../src/training/schedules.js';
import { expectClose } from '../support/numbers.js';

const model = { version: 1, patchSize: 2, hiddenDim: [3] };
const data = { kind: 'frames', inputLength: 3, targetLength: 2 };
const configOf = (fields: object) => parseTrainConfig({ version: 1, model, data, ...fields });

manualSeed(8);
const input = Tensor.rand([2, 3, 1, 12, 12]);
const target = Tensor.rand([2, 2, 1, 12, 12]);
const batch = { input, target };

/** Losses of the first steps on one batch. */
async function learn(config: TrainConfig, steps: number): Promise<number[]> {
  using net = buildModel(config);
  const optimizer = buildOptimizer(config.optimizer, net.parameters());
  const schedule = buildSchedule(config.schedule, optimizer, steps);
  const loss = trainingLoss(config, net, steps);
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const value = loss(batch, { epoch: 1, step });
    value.backward();
    optimizer.step();
    for (const parameter of net.parameters()) parameter.grad = null;
    schedule?.step(await value.item());
    losses.push(await value.item());
  }
  return losses;
}

describe('a run learns', () => {
  it.each(['bce', 'mse', 'l1', 'huber', 'ssim', 'balanced'])('with loss %s', async (loss) => {
    const config = configOf({ loss, optimizer: { kind: 'adam', lr: 0.05 } });
    const losses = await learn(config, 12);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });

  it.each([
    { kind: 'adam', lr: 0.02, beta1: 0.5 },
    { kind: 'adamw', lr: 0.02 },
    { kind: 'rmsprop', lr: 0.01 },
    { kind: 'sgd', lr: 0.5, nesterov: true },
  ])('with optimizer %j', async (optimizer) => {
    for (const schedule of [{ kind: 'constant' }, { kind: 'one-cycle' }]) {
      const losses = await learn(configOf({ loss: 'bce', optimizer, schedule }), 12);
      expect(losses.at(-1)).toBeLessThan(losses[0]!);
    }
  });

  it.each([
    [{ kind: 'constant' }, [0.1, 0.1, 0.1, 0.1]],
    [{ kind: 'step', every: 2, factor: 0.5 }, [0.1, 0.1, 0.05, 0.05]],
    // One step of warm-up, then half a cosine over the remaining three.
    [{ kind: 'cosine', warmup: 1 }, [0.1, 0.1, 0.075, 0.025]],
    // From 1/25 of the peak up over half of the steps, then down to 1e-4 of the first rate.
    [{ kind: 'one-cycle', rise: 0.5 }, [0.004, 0.1, 0.05, 4e-7]],
    [{ kind: 'plateau', patience: 1, factor: 0.5 }, [0.1, 0.1, 0.1, 0.05]],
  ])('with schedule %j', (schedule, rates) => {
    const config = configOf({ optimizer: { kind: 'adam', lr: 0.1 }, schedule });
    using net = buildModel(config);
    const optimizer = buildOptimizer(config.optimizer, net.parameters());
    const stepped = buildSchedule(config.schedule, optimizer, 4);
    const got = rates.map(() => {
      const { lr } = optimizer.groups[0]!;
      stepped?.step(1); // no improvement after the first
      return lr;
    });
    expectClose(got, rates, 1e-6);
  });
});

describe('the loss of a run', () => {
  it('covers all frames but the first, or the target alone', async () => {
    using net = buildModel(configOf({}));
    const draw = { epoch: 1, step: 1 };
    const all = trainingLoss(configOf({ lossFrames: 'all' }), net, 1)(batch, draw);
    const targets = trainingLoss(configOf({ lossFrames: 'targets' }), net, 1)(batch, draw);
    const frames = net.unroll(input, target).sigmoid();
    const truth = Tensor.concat([input, target], 1);
    const squares = frames.sub(truth.slice([null, 1])).square();
    expect(await all.item()).toBeCloseTo(await squares.mean().item(), 5);
    expect(await targets.item()).toBeCloseTo(await squares.slice([null, 2]).mean().item(), 5);
    const validated = validationLoss(configOf({}), net)(batch, draw);
    expect(await validated.item()).toBeCloseTo(await targets.item(), 5);
  });

  it('is in the units of the model', async () => {
    const scaled = configOf({ model: { ...model, scale: 4 } });
    using net = buildModel(scaled);
    using plain = buildModel(configOf({}));
    const four = { input: input.mul(4), target: target.mul(4) };
    const draw = { epoch: 1, step: 1 };
    const one = trainingLoss(configOf({}), plain, 1)(batch, draw);
    expect(await trainingLoss(scaled, net, 1)(four, draw).item()).toBeCloseTo(await one.item(), 5);
  });

  it('draws the true frames to feed from the step alone, with falling probability', async () => {
    const config = configOf({ teacherForcing: { from: 1, to: 0 } });
    using net = buildModel(config);
    const lossAt = (step: number, from = config) =>
      trainingLoss(from, net, 11)(batch, { epoch: 1, step }).item();
    expect(await lossAt(6)).toBe(await lossAt(6));
    const always = configOf({ teacherForcing: { from: 1, to: 1 } });
    const never = configOf({});
    expect(await lossAt(1)).toBe(await lossAt(1, always));
    expect(await lossAt(11)).toBe(await lossAt(11, never));
    expect(await lossAt(1)).not.toBe(await lossAt(11));
  });
});

describe('the weights of a run', () => {
  const weightsOf = async (initialization: object, seed = 1) => {
    const config = configOf({ model: { ...model, hiddenDim: [16] }, initialization, seed });
    using net = buildModel(config);
    const { weight, bias } = (net.cells[0] as ConvLSTMCell).conv;
    return {
      weight: await weight.data(),
      bias: await bias!.data(),
      head: await net.head.bias!.data(),
    };
  };
  const deviation = (values: Float32Array) =>
    Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);

  it('depend on the seed alone', async () => {
    expect(await weightsOf({})).toEqual(await weightsOf({}));
    expect((await weightsOf({}, 2)).weight).not.toEqual((await weightsOf({})).weight);
  });

  it('follow the distribution of their kind, gate by gate', async () => {
    // A gate has 4 + 16 input channels, 16 output channels, 3x3.
    const { weight } = await weightsOf({ kind: 'xavier', gain: 1.5 });
    expect(deviation(weight)).toBeCloseTo(1.5 * Math.sqrt(2 / (36 * 9)), 2);
    const { weight: plain } = await weightsOf({ kind: 'uniform' });
    expect(deviation(plain)).toBeCloseTo(1 / Math.sqrt(3 * 20 * 9), 2);
    const { weight: rows } = await weightsOf({ kind: 'orthogonal', gain: 2 });
    // Rows within a gate have length 2 and are orthogonal; rows of two gates need not be.
    const row = (n: number) => rows.subarray(n * 180, (n + 1) * 180);
    const dot = (a: number, b: number) => row(a).reduce((sum, v, i) => sum + v * row(b)[i]!, 0);
    expect(dot(3, 3)).toBeCloseTo(4, 4);
    expect(dot(3, 7)).toBeCloseTo(0, 4);
    expect(dot(16, 31)).toBeCloseTo(0, 4);
    expect(Math.abs(dot(3, 19))).toBeGreaterThan(1e-4);
  });

  it('have the configured biases', async () => {
    const { bias, head } = await weightsOf({ forgetBias: 2, headBias: -3 });
    expect([...bias.subarray(16, 32)]).toEqual(Array(16).fill(2));
    expect(Math.max(...bias.subarray(0, 16))).toBeLessThan(0.5);
    expect([...head]).toEqual(Array(4).fill(-3));
    const random = await weightsOf({ forgetBias: null });
    expect(Math.max(...random.bias)).toBeLessThan(0.5);
  });
});

describe('frames of a run', () => {
  const config = parseTrainConfig({
    version: 1,
    model,
    data: { kind: 'frames', inputLength: 1, targetLength: 1 },
  });
  const write = async (folder: string, frames: number) => {
    await mkdir(folder, { recursive: true });
    const array = { data: new Float32Array(frames * 4), shape: [frames, 2, 2] };
    await npy.save(join(folder, 'frames.npy'), array);
  };

  it('never mix the splits', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'convlstm-splits-'));
    try {
      const lengthOf = async (split: 'train' | 'validation' | 'test') =>
        (await openData(config, folder, split))?.length;
      await write(join(folder, 'sequence'), 3);
      expect(await lengthOf('train')).toBe(2);
      expect(await lengthOf('validation')).toBeUndefined();
      expect(await lengthOf('test')).toBe(2);
      await write(join(folder, 'validation'), 4);
      expect(await lengthOf('validation')).toBe(3);
      for (const split of ['train', 'test'] as const) {
        await expect(lengthOf(split)).rejects.toMatchObject({
          code: 'ERR_IO',
          message: `${folder}: expected a folder '${split}' beside 'validation', got none`,
        });
      }
      await write(join(folder, 'train'), 5);
      expect(await lengthOf('train')).toBe(4);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('Moving MNIST of a run', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'convlstm-mnist-'));
    // Digit n of a file has the grey value n / 2, in the test file 200.
    const write = (name: string, count: number, value: (n: number) => number) => {
      const header = Buffer.from([
        0,
        0,
        8,
        3,
        0,
        0,
        count >> 8,
        count & 255,
        0,
        0,
        0,
        4,
        0,
        0,
        0,
        4,
      ]);
      const pixels = Buffer.concat(
        Array.from({ length: count }, (_, n) => Buffer.alloc(16, value(n))),
      );
      return writeFile(join(folder, `${name}-images-idx3-ubyte`), Buffer.concat([header, pixels]));
    };
    await write('train', 5002, (n) => (n < 2 ? 50 + n : 100));
    await write('t10k', 3, () => 200);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('keeps digits for training, validation and tests apart', async () => {
    const config = parseTrainConfig({
      version: 1,
      model,
      data: { kind: 'moving-mnist', size: 8, length: 40, validationLength: 10, numDigits: 1 },
    });
    const valuesOf = async (split: 'train' | 'validation' | 'test') => {
      const dataset = (await openData(config, folder, split))!;
      const values = new Set<number>();
      for (let n = 0; n < dataset.length; n++) {
        const { input: frames } = await dataset.get(n, 0);
        for (const value of frames.data) values.add(Math.round(value * 255));
      }
      return { length: dataset.length, values: [...values].sort((a, b) => a - b) };
    };
    expect(await valuesOf('train')).toEqual({ length: 40, values: [0, 50, 51] });
    expect(await valuesOf('validation')).toEqual({ length: 10, values: [0, 100] });
    expect(await valuesOf('test')).toEqual({ length: 10, values: [0, 200] });
  });
});
