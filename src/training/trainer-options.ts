import { type Batch, DataLoader } from '../data/data-loader.js';
import type { Sample } from '../data/dataset.js';
import { type FilePath, isFilePath } from '../io/files.js';
import { Module } from '../nn/index.js';
import type { Optimizer } from '../optim/optimizer.js';
import { ReduceLROnPlateau } from '../optim/reduce-lr-on-plateau.js';
import { Schedule } from '../optim/schedule.js';
import { checkCount, checkNames, checkPositive, refuseOption } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';

/** Any of `SGD`, `RMSprop`, `Adam` and `AdamW`. */
export type AnyOptimizer = Pick<
  Optimizer<{ lr: number }>,
  'groups' | 'step' | 'stateDict' | 'loadStateDict'
>;

/** Where a run stands when a loss is asked for. */
export interface TrainProgress {
  /** Counted from 1. */
  epoch: number;
  /** The step that is being made, counted from 1. */
  step: number;
}

/**
 * What is to be made small: a single number, differentiable. Called synchronously; every tensor made in
 * it is disposed after the step.
 */
export type LossFunction<S extends Sample> = (batch: Batch<S>, progress: TrainProgress) => Tensor;

/** How a model is validated. */
export interface ValidationOptions<S extends Sample> {
  /** Goes through its epoch 0 each time. */
  data: DataLoader<S>;
  /** That of the training by default. Called with the model in `eval()`, recording nothing. */
  loss?: LossFunction<S> | undefined;
  /** Steps between two validations; null, the default, for the end of each epoch. */
  every?: number | null | undefined;
  /** Training ends after so many validations without a better one; null, the default, for never. */
  patience?: number | null | undefined;
}

/** Where a run is kept. */
export interface CheckpointOptions {
  /** A safetensors file. The curve of the loss is drawn beside it, as `<name>.svg`. */
  file: FilePath;
  /** Steps between two checkpoints; 100 by default. There is one at the end in any case. */
  every?: number | undefined;
}

/** Options of `Trainer`. */
export interface TrainerOptions<S extends Sample> {
  /** What is trained. */
  model: Module;
  /** Of the model's parameters. */
  optimizer: AnyOptimizer;
  /** What it is trained on, from the loader's position on. */
  data: DataLoader<S>;
  /** What is to be made small. */
  loss: LossFunction<S>;
  /** Passes over the data; 1 by default. */
  epochs?: number | undefined;
  /** Stepped once a step; `ReduceLROnPlateau` once a validation. */
  schedule?: Schedule | ReduceLROnPlateau | null | undefined;
  /** Batches whose gradients make one step; 1 by default. */
  accumulate?: number | undefined;
  /** The largest norm of all gradients together; any by default. */
  clipNorm?: number | null | undefined;
  /** None by default. */
  validation?: ValidationOptions<S> | null | undefined;
  /** None by default. */
  checkpoint?: CheckpointOptions | null | undefined;
  /** Steps between two reports; 10 by default. */
  reportEvery?: number | undefined;
  /** Ends the training after the step in progress, with a checkpoint. */
  signal?: AbortSignal | undefined;
}

/** What a trainer tells now and then. */
export interface TrainReport {
  /** Counted from 1. */
  epoch: number;
  /** Steps done. */
  step: number;
  /** Steps of the whole training. */
  totalSteps: number;
  /** The mean over the steps since the last report. */
  loss: number;
  /** Of this step, in the first group of parameters. */
  lr: number;
  /** Since the last report. */
  samplesPerSecond: number;
  /** Until the end, at the pace so far. */
  etaSeconds: number;
  /** The mean loss over the validation's data, when this step was followed by one; else null. */
  validation: number | null;
  /** Whether that is the least so far. */
  best: boolean;
}

/** What the curves are drawn of: values by step. */
export interface TrainHistory {
  /** Of each report. */
  loss: [step: number, loss: number][];
  /** Of each validation. */
  validation: [step: number, loss: number][];
  /** Of each report. */
  lr: [step: number, lr: number][];
}

/** Why a training ended. */
export type TrainEnd = 'done' | 'patience' | 'aborted';

function checkValidation<S extends Sample>(validation: ValidationOptions<S>): void {
  checkNames('validation', validation, {
    data: true,
    loss: true,
    every: null,
    patience: null,
  });
  const { data, loss, every, patience } = validation;
  if (!(data instanceof DataLoader)) refuseOption('validation.data', 'a DataLoader', data);
  if (loss && typeof loss !== 'function') refuseOption('validation.loss', 'a function', loss);
  for (const [name, value] of Object.entries({ every, patience })) {
    checkCount(`validation.${name}`, value ?? 1);
  }
}

function checkCheckpoint(checkpoint: CheckpointOptions): void {
  checkNames('checkpoint', checkpoint, { file: true, every: 100 });
  const { file, every = 1 } = checkpoint;
  if (!isFilePath(file)) refuseOption('checkpoint.file', 'a path or a file: URL', file);
  checkCount('checkpoint.every', every);
}

/**
 * @internal
 * @throws ConvLSTMError ERR_OPTION for an option out of its range or unknown
 */
export function checkTrainerOptions<S extends Sample>(options: TrainerOptions<S>): void {
  checkNames('Trainer', options, {
    model: true,
    optimizer: true,
    data: true,
    loss: true,
    epochs: 1,
    schedule: null,
    accumulate: 1,
    clipNorm: null,
    validation: null,
    checkpoint: null,
    reportEvery: 10,
    signal: undefined,
  });
  const { model, optimizer, data, loss, schedule, clipNorm, validation, checkpoint, signal } =
    options;
  if (!(model instanceof Module)) refuseOption('model', 'a Module', model);
  if (!Array.isArray(optimizer?.groups)) refuseOption('optimizer', 'one such as Adam', optimizer);
  if (!(data instanceof DataLoader)) refuseOption('data', 'a DataLoader', data);
  if (typeof loss !== 'function') refuseOption('loss', 'a function', loss);
  const { epochs = 1, accumulate = 1, reportEvery = 1 } = options;
  for (const [name, value] of Object.entries({ epochs, accumulate, reportEvery })) {
    checkCount(name, value);
  }
  if (clipNorm != null) checkPositive('clipNorm', clipNorm);
  if (validation) checkValidation(validation);
  if (validation?.data === data) refuseOption('validation.data', 'a loader of its own', data);
  if (schedule instanceof ReduceLROnPlateau) {
    if (!validation)
      refuseOption('schedule', 'validation for ReduceLROnPlateau to go by', validation);
  } else if (schedule && !(schedule instanceof Schedule)) {
    refuseOption('schedule', 'one of this package', schedule);
  }
  if (checkpoint) checkCheckpoint(checkpoint);
  if (signal && !(signal instanceof AbortSignal)) refuseOption('signal', 'an AbortSignal', signal);
}
