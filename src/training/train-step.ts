/** One training step, and the means of a validation. */
import { noGrad } from '../autograd/grad-mode.js';
import type { Batch } from '../data/data-loader.js';
import type { Sample } from '../data/dataset.js';
import { ConvLSTMError } from '../errors.js';
import type { Module } from '../nn/index.js';
import { clipGradNorm, gradNorm } from '../optim/clip.js';
import { refuseOption } from '../options.js';
import { disposeCreated } from '../tensor/scope.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { AnyOptimizer, LossFunction, TrainProgress } from './trainer-options.js';

/** Parts of a training step. */
export interface StepOptions<S extends Sample> {
  model: Module;
  optimizer: AnyOptimizer;
  loss: LossFunction<S>;
  /** Batches per step. */
  accumulate: number;
  clipNorm: number | null;
}

/** Number of samples in a batch. */
function samplesOf(batch: Batch): number {
  return Object.values(batch)[0]!.shape[0]!;
}

function disposeBatch(batch: Batch): void {
  for (const tensor of Object.values(batch)) tensor.dispose();
}

function callLoss<S extends Sample>(
  loss: LossFunction<S>,
  batch: Batch<S>,
  { epoch, step }: TrainProgress,
): Tensor {
  const value: unknown = loss(batch, { epoch, step });
  if (value instanceof Tensor) {
    if (value.size === 1) return value;
    const got = formatShape(value.shape);
    throw new ConvLSTMError('ERR_SHAPE', `loss: expected one number, got ${got}`);
  }
  refuseOption('loss', 'a Tensor', value);
}

function checkFinite(step: number, what: string, value: number): void {
  if (Number.isFinite(value)) return;
  const message = `step ${step}: ${what} is ${value}; the parameters are still those before this step`;
  throw new ConvLSTMError('ERR_NOT_FINITE', message);
}

/** Adds a batch's part to the gradients; resolves to its part of the loss. */
function backwardOf<S extends Sample>(
  { loss, accumulate }: StepOptions<S>,
  batch: Batch<S>,
  progress: TrainProgress,
): Promise<number> {
  const whole = callLoss(loss, batch, progress);
  const part = accumulate === 1 ? whole : whole.div(accumulate);
  const value = part.item();
  value.catch(() => {}); // awaited later, unless backward() throws
  part.backward();
  return value;
}

/** Clips the gradients if `clipNorm` is not null; returns their norm per device, before clipping. */
function norms(parameters: readonly Tensor[], clipNorm: number | null): Tensor[] {
  if (clipNorm !== null) return [clipGradNorm(parameters, clipNorm)];
  const devices = new Set(parameters.map(({ device }) => device));
  return Array.from(devices, (each) =>
    gradNorm(parameters.filter(({ device }) => device === each)),
  );
}

/**
 * Makes one optimizer step. Gradients are null afterwards, also after an error.
 *
 * @throws ConvLSTMError ERR_NOT_FINITE, before any parameter has changed; errors of data and loss
 */
export async function trainStep<S extends Sample>(
  options: StepOptions<S>,
  batches: AsyncIterator<Batch<S>, void>,
  progress: TrainProgress,
): Promise<{ loss: number; samples: number }> {
  const { model, optimizer, accumulate, clipNorm } = options;
  const optimized = optimizer.groups.flatMap(({ parameters }) => parameters);
  // Parameters of the model outside the optimizer get gradients too.
  const parameters = new Set<Tensor>([...optimized, ...model.parameters()]);
  let [loss, samples] = [0, 0];
  try {
    for (let part = 0; part < accumulate; part++) {
      const batch = (await batches.next()).value as Batch<S>;
      samples += samplesOf(batch);
      const value = disposeCreated(
        () => backwardOf(options, batch, progress),
        () => Array.from(parameters, ({ grad }) => grad),
      );
      disposeBatch(batch);
      loss += await value;
      checkFinite(progress.step, 'the loss', loss);
    }
    for (const norm of norms(optimized, clipNorm)) {
      const value = await norm.item();
      norm.dispose();
      checkFinite(progress.step, 'the norm of the gradients', value);
    }
    optimizer.step();
  } finally {
    for (const parameter of parameters) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }
  return { loss, samples };
}

/**
 * Means of `losses` over the samples of `batches`, in their order, with the model in `eval()` and without
 * recording.
 */
export async function meansOf<S extends Sample>(
  model: Module,
  losses: readonly LossFunction<S>[],
  batches: AsyncIterable<Batch<S>>,
  progress: TrainProgress,
): Promise<number[]> {
  const sums = losses.map(() => 0);
  let samples = 0;
  model.eval();
  try {
    for await (const batch of batches) {
      const count = samplesOf(batch);
      const values = disposeCreated(
        () => noGrad(() => losses.map((loss) => callLoss(loss, batch, progress).item())),
        () => [],
      );
      disposeBatch(batch);
      for (const [n, value] of (await Promise.all(values)).entries()) sums[n]! += count * value;
      samples += count;
    }
  } finally {
    model.train();
  }
  return sums.map((sum) => sum / samples);
}

/** Mean of one loss; `meansOf` for several. */
export async function meanLoss<S extends Sample>(
  model: Module,
  loss: LossFunction<S>,
  batches: AsyncIterable<Batch<S>>,
  progress: TrainProgress,
): Promise<number> {
  return (await meansOf(model, [loss], batches, progress))[0]!;
}
