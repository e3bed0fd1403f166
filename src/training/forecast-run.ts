/** Makes the parts of a run from its configuration: data, model, loss. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { noGrad } from '../autograd/grad-mode.js';
import type { Batch } from '../data/data-loader.js';
import type { Dataset, SequenceSample } from '../data/dataset.js';
import { FrameFolder } from '../data/frame-folder.js';
import { loadIdx } from '../data/idx.js';
import { ModelSequences, type WeightedSample } from '../data/model-sequences.js';
import { MovingMnist } from '../data/moving-mnist.js';
import { paddedSize } from '../data/padding.js';
import { RandomStream } from '../data/random-stream.js';
import { ConvLSTMError } from '../errors.js';
import { ioError } from '../io/files.js';
import { Forecaster } from '../models/forecaster.js';
import { init, type Parameter } from '../nn/index.js';
import { refuseOption } from '../options.js';
import { manualSeed } from '../tensor/random.js';
import { Tensor } from '../tensor/tensor.js';
import type { TrainConfig } from './config.js';
import { lossNamed } from './losses.js';
import { kSchedules } from './schedules.js';
import type { LossFunction } from './trainer-options.js';

type MovingMnistData = Extract<TrainConfig['data'], { kind: 'moving-mnist' }>;

/** Use of data in a run. */
export type Split = 'train' | 'validation' | 'test';

/** Digits for validation: the last of MNIST's training set. */
const kValidationDigits = 5000;

/** Seeds that make the three splits differ even on the same digits. */
const kSeeds: Readonly<Record<Split, number>> = { train: 0, validation: 1, test: 2 };

async function openMovingMnist(
  { kind: _, targetLength, length, validationLength, ...options }: MovingMnistData,
  seed: number,
  folder: string,
  split: Split,
): Promise<MovingMnist> {
  const name = split === 'test' ? 't10k' : 'train';
  const digits = await loadIdx(join(folder, `${name}-images-idx3-ubyte`));
  const [count, side] = digits.shape as [number, number, number];
  if (side > options.size)
    refuseOption('data.size', `at least that of the digits, ${side}`, options.size);
  const at = Math.max(1, count - kValidationDigits);
  const [first, end] = { train: [0, at], validation: [at, count], test: [0, count] }[split];
  const data = digits.data.slice(first! * side ** 2, end! * side ** 2);
  return new MovingMnist(
    { data, shape: [end! - first!, side, side] },
    {
      ...options,
      seed: 3 * seed + kSeeds[split],
      length: split === 'train' ? length : validationLength,
      frames: options.inputLength + targetLength,
    },
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw ioError('read', path, error);
  }
}

/**
 * Opens the data of a run; null for a validation split that does not exist.
 *
 * @throws ConvLSTMError ERR_IO for missing data, ERR_FORMAT
 */
export async function openData(
  config: TrainConfig,
  folder: string,
  split: Split,
): Promise<Dataset<SequenceSample> | null> {
  const { data, seed } = config;
  if (data.kind === 'moving-mnist') return openMovingMnist(data, seed, folder, split);
  const { inputLength, targetLength, stride, crop, flip, timePattern, step, layout } = data;
  const part = join(folder, split);
  const own = await isFolder(part);
  if (!own) {
    if (split === 'validation') return null;
    // A folder with other splits must not be trained or tested on as a whole.
    for (const other of Object.keys(kSeeds)) {
      if (!(await isFolder(join(folder, other)))) continue;
      const message = `${folder}: expected a folder '${split}' beside '${other}', got none`;
      throw new ConvLSTMError('ERR_IO', message);
    }
  }
  const vary = split === 'train' && (crop !== null || flip !== 'none');
  return FrameFolder.open(own ? part : folder, {
    inputLength,
    targetLength,
    stride,
    vary,
    flip,
    seed,
    ...(crop ? { crop } : {}),
    ...(timePattern === null ? {} : { timePattern }),
    ...(step === null ? {} : { step }),
    ...(layout === null ? {} : { layout }),
  });
}

/**
 * The data as the model needs it. Moving-MNIST has no missing values: without padding it stays as it is.
 */
export function forModel(
  { data, model }: TrainConfig,
  dataset: Dataset<SequenceSample>,
): Dataset<WeightedSample> {
  if (data.kind === 'moving-mnist' && data.size % model.patchSize === 0) return dataset;
  return new ModelSequences(dataset, model);
}

const kInitializers = {
  xavier: init.xavierUniform,
  kaiming: init.kaimingUniform,
  orthogonal: init.orthogonal,
};

/** Initialises a weight [rows, ...], each of its packed gates on its own. */
function initializeWeight(weight: Parameter, { kind, gain }: TrainConfig['initialization']): void {
  if (kind === 'uniform') return;
  const parts = weight.gates.length || 1;
  const shape = [weight.shape[0]! / parts, ...weight.shape.slice(1)];
  const gates = Array.from({ length: parts }, () => {
    const gate = kInitializers[kind](Tensor.zeros(shape));
    return gain === 1 ? gate : gate.mul(gain);
  });
  weight.assign(Tensor.concat(gates));
}

/** Initialises each gate on its own: packed, the fan-out would be four times too large. */
function initialize(model: Forecaster, options: TrainConfig['initialization']): void {
  const { forgetBias, headBias } = options;
  const gates = model.cells.flatMap((cell) => cell.parameters()).filter((each) => each.gates);
  for (const each of gates) if (each.shape.length > 1) initializeWeight(each, options);
  initializeWeight(model.head.weight, { ...options, gain: 1 });
  const forgets = gates.some((each) => each.gates.includes('f'));
  if (forgetBias !== null && forgets && model.description.bias) init.forgetBias(model, forgetBias);
  if (typeof headBias === 'number') {
    const bias = model.head.bias!;
    bias.assign(Tensor.full(bias.shape, headBias, { device: bias.device }));
  }
}

/** Makes the model of a run, seeded and initialised. */
export function buildModel(config: TrainConfig): Forecaster {
  manualSeed(config.seed);
  const model = new Forecaster(config.model).to({ precision: config.precision });
  noGrad(() => initialize(model, config.initialization));
  return model;
}

/**
 * Checks that the frames of the data fit the model.
 *
 * @throws ConvLSTMError ERR_OPTION
 */
export async function checkFrames(
  { model, loss }: Pick<TrainConfig, 'model' | 'loss'>,
  data: Dataset<SequenceSample>,
): Promise<void> {
  const { channels, patchSize, imageSize } = model;
  const { shape } = (await data.get(0, 0)).input;
  const [, got, height, width] = shape as [number, number, number, number];
  const frames = `frames of [${height}, ${width}]`;
  if (channels !== got) {
    const expected = `${got}, as the frames have (of an .npy [T, C, H, W]; data.layout 'TNHW' makes it N sequences)`;
    refuseOption('model.channels', expected, channels);
  }
  const [padded, across] = paddedSize(shape, patchSize);
  if (imageSize && (imageSize[0] !== padded || imageSize[1] !== across)) {
    const isPadded = padded !== height || across !== width;
    const needed = isPadded
      ? `[${padded}, ${across}], ${frames} padded to patches`
      : `that of ${frames}`;
    refuseOption('model.imageSize', needed, imageSize);
  }
  const { leastSize = 1 } = lossNamed(loss);
  if (Math.min(height, width) < leastSize) {
    const needs = `which needs ${leastSize} by ${leastSize} pixels`;
    refuseOption('loss', `another than '${loss}', ${needs}, for ${frames}`, loss);
  }
}

/**
 * Number of optimizer steps of a run.
 *
 * @param samples number of samples per epoch
 * @throws ConvLSTMError ERR_OPTION for too few samples for one step
 */
export function stepsOfRun(
  { batchSize, accumulate, epochs }: TrainConfig,
  samples: number,
): number {
  const batches = epochs * Math.floor(samples / batchSize);
  if (batches === 0) {
    refuseOption('batchSize', `at most the ${samples} sequences of the training data`, batchSize);
  }
  if (accumulate > batches)
    refuseOption('accumulate', `at most the ${batches} batches of the run`, accumulate);
  return Math.floor(batches / accumulate);
}

/**
 * Refuses settings that need validation, for data without a validation split.
 *
 * @throws ConvLSTMError ERR_OPTION
 */
export function checkUnvalidated({ validateEvery, patience, schedule }: TrainConfig): void {
  const none = 'without a validation folder';
  if (validateEvery !== null) refuseOption('validateEvery', `null ${none}`, validateEvery);
  if (patience !== null) refuseOption('patience', `null ${none}`, patience);
  if (kSchedules[schedule.kind].needsValidation)
    refuseOption('schedule.kind', `another ${none}`, schedule.kind);
}

/** Loss of the head's results `logits` against `truth`, the last of the frames that have weights. */
function lossOf(
  { loss, model: { output } }: TrainConfig,
  model: Forecaster,
  logits: Tensor,
  truth: Tensor,
  weights: Tensor | undefined,
): Tensor {
  const { ofLogits = false, compute } = lossNamed(loss);
  const forecast = ofLogits || output === 'linear' ? logits : logits.sigmoid();
  const weight = weights?.slice([null, weights.shape[1]! - truth.shape[1]!]);
  return compute(forecast, model.normalize(truth), { weight }, (values) =>
    model.denormalize(values),
  );
}

/** Probability of teacher forcing at a step: linear from the first to the last value. */
function forcingAt(
  { from, to, steps }: TrainConfig['teacherForcing'],
  step: number,
  total: number,
) {
  const share = Math.min(1, (step - 1) / Math.max(1, (steps ?? total) - 1));
  return from + (to - from) * share;
}

/**
 * Training loss: the model sees the input, then its own forecasts over the target, or true frames with
 * the probability of teacher forcing.
 */
export function trainingLoss(
  config: TrainConfig,
  model: Forecaster,
  totalSteps: number,
): LossFunction<WeightedSample> {
  return ({ input, target, weight }, { step }) => {
    // Seeded by the step: a resumed run draws the same numbers as an uninterrupted one.
    const draws = new RandomStream(config.seed, step);
    const logits = model.unroll(input, target, {
      teacherForcing: forcingAt(config.teacherForcing, step, totalSteps),
      random: () => draws.uniform(0, 1),
    });
    const frames = config.lossFrames === 'all' ? Tensor.concat([input, target], 1) : target;
    const truth = frames.slice([null, config.lossFrames === 'all' ? 1 : 0]);
    const first = logits.shape[1]! - truth.shape[1]!;
    return lossOf(config, model, logits.slice([null, first]), truth, weight);
  };
}

/** Validation loss: of the target's forecasts, without teacher forcing. */
export function validationLoss(
  config: TrainConfig,
  model: Forecaster,
): LossFunction<WeightedSample> {
  return ({ input, target, weight }: Batch<WeightedSample>) => {
    const logits = model.unroll(input, target);
    const forecasts = logits.slice([null, input.shape[1]! - 1]);
    return lossOf(config, model, forecasts, target, weight);
  };
}
