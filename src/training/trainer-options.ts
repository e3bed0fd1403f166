import { type Batch, DataLoader } from '../data/data-loader.js';
import type { Sample } from '../data/dataset.js';
import { type FilePath, isFilePath } from '../io/files.js';
import { Module } from '../nn/index.js';
import type { Optimizer } from '../optim/optimizer.js';
import { ReduceLROnPlateau } from '../optim/reduce-lr-on-plateau.js';
import { Schedule } from '../optim/schedule.js';
import { checkCount, checkNames, checkPositive, refuseOption } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';

/** `SGD`, `RMSprop`, `Adam` or `AdamW`. */
export type AnyOptimizer = Pick<
  Optimizer<{ lr: number }>,
  'groups' | 'step' | 'stateDict' | 'loadStateDict'
>;

/** Position of a run at a call of the loss. */
export interface TrainProgress {
  /** Counted from 1. */
  epoch: number;
  /** Step in progress, counted from 1. */
  step: number;
}

/**
 * Returns the number to minimise, differentiable, of shape [] or one element. It is synchronous; every
 * tensor made in it is disposed after the step.
 */
export type LossFunction<S extends Sample> = (batch: Batch<S>, progress: TrainProgress) => Tensor;

/** Options of validation. */
export interface ValidationOptions<S extends Sample> {
  /** Validation data; each validation runs over its epoch 0. */
  data: DataLoader<S>;
  /** Default: the training loss. Called within `noGrad`, with the model in `eval()`. */
  loss?: LossFunction<S> | undefined;
  /** Further numbers to report by name, computed and averaged as `loss`. Default none. */
  metrics?: Readonly<Record<string, LossFunction<S>>> | undefined;
  /** Steps between two validations; null, the default, validates after each epoch. */
  every?: number | null | undefined;
  /** Validations without improvement before training ends; null, the default, never ends it early. */
  patience?: number | null | undefined;
}

/** Options of checkpoints. */
export interface CheckpointOptions {
  /** Safetensors file; the loss curve is drawn beside it as `<name>.svg`. */
  file: FilePath;
  /**
   * Steps between two checkpoints; default 100. A validation, two minutes without a checkpoint and the end
   * of training write one too.
   */
  every?: number | undefined;
}

/** Options of `Trainer`. */
export interface TrainerOptions<S extends Sample> {
  /** Model to train. */
  model: Module;
  /** Optimizer of the model's parameters. */
  optimizer: AnyOptimizer;
  /** Training data, from the loader's position on. */
  data: DataLoader<S>;
  /** Loss to minimise. */
  loss: LossFunction<S>;
  /** Passes over the data; default 1. */
  epochs?: number | undefined;
  /** Stepped after each step; `ReduceLROnPlateau` after each validation. Default none. */
  schedule?: Schedule | ReduceLROnPlateau | null | undefined;
  /** Batches per step, their gradients averaged; default 1. */
  accumulate?: number | undefined;
  /** Largest norm of all gradients together; null, the default, for no limit. */
  clipNorm?: number | null | undefined;
  /** Default: no validation. */
  validation?: ValidationOptions<S> | null | undefined;
  /** Default: no checkpoints. */
  checkpoint?: CheckpointOptions | null | undefined;
  /** Steps between two reports; default 10. */
  reportEvery?: number | undefined;
  /** Aborting ends the training after the step in progress, with a checkpoint. */
  signal?: AbortSignal | undefined;
}

/** Progress of a training, yielded every `reportEvery` steps, after validations and at the end. */
export interface TrainReport {
  /** Counted from 1. */
  epoch: number;
  /** Steps done. */
  step: number;
  /** Steps of the whole training. */
  totalSteps: number;
  /** Mean training loss since the last report. */
  loss: number;
  /** Learning rate of this step, first parameter group. */
  lr: number;
  /** Throughput since the last report. */
  samplesPerSecond: number;
  /** Estimated seconds to the end, at the mean pace so far. */
  etaSeconds: number;
  /** Mean validation loss; null if this step was not followed by a validation. */
  validation: number | null;
  /** Means of the validation's metrics by name; empty without validation. */
  metrics: Record<string, number>;
  /** Whether `validation` is the least so far. */
  best: boolean;
  /** Validation loss of the last frame repeated; `convlstm train` adds it. */
  persistence?: number | undefined;
  /** Concerns about this run, for people; `convlstm train` adds them. */
  warnings?: readonly string[] | undefined;
}

/** Values by step, for curves. */
export interface TrainHistory {
  /** Training loss of each report. */
  loss: [step: number, loss: number][];
  /** Loss of each validation. */
  validation: [step: number, loss: number][];
  /** Learning rate of each report. */
  lr: [step: number, lr: number][];
}

/** Reason for the end of a training. */
export type TrainEnd = 'done' | 'patience' | 'aborted';

function checkValidation<S extends Sample>(validation: ValidationOptions<S>): void {
  checkNames('validation', validation, {
    data: true,
    loss: true,
    metrics: {},
    every: null,
    patience: null,
  });
  const { data, loss, metrics = {}, every, patience } = validation;
  if (!(data instanceof DataLoader)) refuseOption('validation.data', 'a DataLoader', data);
  if (loss && typeof loss !== 'function') refuseOption('validation.loss', 'a function', loss);
  if (typeof metrics !== 'object' || metrics === null)
    refuseOption('validation.metrics', 'an object', metrics);
  for (const [name, metric] of Object.entries<unknown>(metrics)) {
    if (typeof metric !== 'function')
      refuseOption(`validation.metrics.${name}`, 'a function', metric);
  }
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
 * @throws ConvLSTMError ERR_OPTION for an option out of range or unknown
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
  if (!Array.isArray(optimizer?.groups))
    refuseOption('optimizer', 'an optimizer such as Adam', optimizer);
  if (!(data instanceof DataLoader)) refuseOption('data', 'a DataLoader', data);
  if (typeof loss !== 'function') refuseOption('loss', 'a function', loss);
  const { epochs = 1, accumulate = 1, reportEvery = 1 } = options;
  for (const [name, value] of Object.entries({ epochs, accumulate, reportEvery })) {
    checkCount(name, value);
  }
  if (clipNorm != null) checkPositive('clipNorm', clipNorm);
  if (validation) checkValidation(validation);
  if (validation?.data === data) refuseOption('validation.data', 'a loader other than data', data);
  if (schedule instanceof ReduceLROnPlateau) {
    if (!validation)
      refuseOption('schedule', 'validation, which ReduceLROnPlateau needs', validation);
  } else if (schedule && !(schedule instanceof Schedule)) {
    refuseOption('schedule', 'a schedule of this package', schedule);
  }
  if (checkpoint) checkCheckpoint(checkpoint);
  if (signal && !(signal instanceof AbortSignal)) refuseOption('signal', 'an AbortSignal', signal);
}
