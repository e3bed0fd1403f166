import { noGrad } from '../autograd/grad-mode.js';
import type { Batch, DataLoader, LoaderPosition } from '../data/data-loader.js';
import type { Sample } from '../data/dataset.js';
import { ConvLSTMError } from '../errors.js';
import { type FilePath, toPath, writeBytes } from '../io/files.js';
import type { Module, StateDict } from '../nn/index.js';
import { checkCount } from '../nn/options.js';
import { clipGradNorm } from '../optim/clip.js';
import type { Optimizer } from '../optim/optimizer.js';
import { ReduceLROnPlateau } from '../optim/reduce-lr-on-plateau.js';
import { Schedule } from '../optim/schedule.js';
import type { OptimizerStateDict } from '../optim/state-dict.js';
import { type RandomState, randomState, setRandomState } from '../tensor/random.js';
import { disposeCreated } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import { lineChart } from './chart.js';
import { type CheckpointState, loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import { openDisplay, type ProgressOptions } from './progress.js';

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
  loss?: LossFunction<S>;
  /** Steps between two validations; null, the default, for the end of each epoch. */
  every?: number | null;
  /** Training ends after so many validations without a better one; null, the default, for never. */
  patience?: number | null;
}

/** Where a run is kept. */
export interface CheckpointOptions {
  /** A safetensors file. The curve of the loss is drawn beside it, as `<name>.svg`. */
  file: FilePath;
  /** Steps between two checkpoints; 100 by default. There is one at the end in any case. */
  every?: number;
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
  epochs?: number;
  /** Stepped once a step; `ReduceLROnPlateau` once a validation. */
  schedule?: Schedule | ReduceLROnPlateau | null;
  /** Batches whose gradients make one step; 1 by default. */
  accumulate?: number;
  /** The largest norm of all gradients together; any by default. */
  clipNorm?: number | null;
  /** None by default. */
  validation?: ValidationOptions<S> | null;
  /** None by default. */
  checkpoint?: CheckpointOptions | null;
  /** Steps between two reports; 10 by default. */
  reportEvery?: number;
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

/** The best validation so far. */
interface Best {
  loss: number;
  step: number;
  /** Validations since. */
  since: number;
}

/**
 * Trains a model: steps of an optimizer over batches of a loader, with reports, validation, checkpoints.
 *
 * Iterating it trains, and what a loop is given are reports; `run()` does the same and shows them. A
 * training goes on where it stood, in the same process by another loop, in another one after `resume`:
 * with the same data, device and thread count it ends with the same bits as one that was never
 * interrupted.
 *
 * @example
 * ```ts
 * const optimizer = new Adam(model.parameters(), { lr: 1e-3 });
 * const trainer = new Trainer({
 *   model,
 *   optimizer,
 *   data: new DataLoader(sequences, { batchSize: 16, workers: 1 }),
 *   loss: ({ input, target }) => mseLoss(model.forward(input, 10), target),
 *   epochs: 5,
 *   checkpoint: { file: 'run.safetensors' },
 * });
 * for await (const { step, loss, etaSeconds } of trainer) console.log(step, loss, etaSeconds);
 * ```
 */
export class Trainer<S extends Sample = Sample> implements AsyncIterable<TrainReport> {
  /** Steps of the whole training. */
  readonly totalSteps: number;
  /** For curves; a checkpoint keeps it. */
  readonly history: TrainHistory = { loss: [], validation: [], lr: [] };
  readonly #model: Module;
  readonly #optimizer: AnyOptimizer;
  readonly #data: DataLoader<S>;
  readonly #loss: LossFunction<S>;
  readonly #schedule: Schedule | ReduceLROnPlateau | null;
  readonly #accumulate: number;
  readonly #clipNorm: number | null;
  readonly #validation: ValidationOptions<S> | null;
  readonly #checkpoint: Required<CheckpointOptions> | null;
  readonly #reportEvery: number;
  readonly #signal: AbortSignal | undefined;
  #step = 0;
  /** Of loops that have ended. */
  #seconds = 0;
  #begun: number | null = null;
  #best: Best | null = null;
  #ended: TrainEnd | null = null;

  /** @throws ConvLSTMError ERR_OPTION for an option out of its range */
  constructor(options: TrainerOptions<S>) {
    const { epochs = 1, accumulate = 1, clipNorm = null, reportEvery = 10 } = options;
    this.#model = options.model;
    this.#optimizer = options.optimizer;
    this.#data = options.data;
    this.#loss = options.loss;
    this.#schedule = options.schedule ?? null;
    this.#accumulate = checkCount('accumulate', accumulate);
    if (clipNorm !== null && !(clipNorm > 0)) {
      throw new ConvLSTMError('ERR_OPTION', `clipNorm: expected a number above 0, got ${clipNorm}`);
    }
    this.#clipNorm = clipNorm;
    this.#validation = options.validation ?? null;
    if (this.#validation?.data === options.data) {
      const message = 'validation.data: expected a loader of its own, got that of the training';
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    for (const name of ['every', 'patience'] as const) {
      const value = this.#validation?.[name] ?? null;
      if (value !== null) checkCount(`validation.${name}`, value);
    }
    const { checkpoint = null } = options;
    this.#checkpoint = checkpoint && { every: 100, ...checkpoint };
    if (this.#checkpoint) checkCount('checkpoint.every', this.#checkpoint.every);
    this.#reportEvery = checkCount('reportEvery', reportEvery);
    this.#signal = options.signal;
    const batches = checkCount('epochs', epochs) * options.data.batchesPerEpoch;
    this.totalSteps = Math.floor(batches / accumulate);
    if (this.totalSteps === 0) {
      const message = `accumulate: expected at most the ${batches} batches there are, got ${accumulate}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** Seconds that the steps took, validations and checkpoints included, those before `resume` too. */
  get seconds(): number {
    return this.#seconds + (this.#begun === null ? 0 : now() - this.#begun);
  }

  /** Why the training ended; null while it has not. */
  get ended(): TrainEnd | null {
    return this.#ended;
  }

  /** The least validation loss so far, and after which step it was found. */
  get best(): Readonly<{ loss: number; step: number }> | null {
    return this.#best && { loss: this.#best.loss, step: this.#best.step };
  }

  /**
   * Trains to the end and shows how it goes on.
   *
   * @returns why it ended
   * @throws ConvLSTMError ERR_NOT_FINITE for a loss that is NaN or infinite, with the step in its
   *   message: parameters and checkpoint are then those before it; what the data and the loss throw
   */
  async run(options: ProgressOptions = {}): Promise<TrainEnd> {
    const display = openDisplay(options);
    try {
      for await (const report of this) display.show(report);
    } finally {
      display.end();
    }
    return this.#ended!;
  }

  /** Trains from where it stands; leaving the loop leaves it there. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainReport, void> {
    if (this.#step === this.totalSteps) this.#ended = 'done';
    else this.#ended = this.#signal?.aborted ? 'aborted' : null;
    this.#model.train();
    this.#begun = now();
    const begin = { step: this.#step, seconds: this.#begun };
    let last = { step: this.#step, seconds: now(), samples: 0, loss: 0 };
    const batches = this.#data.endless();
    try {
      while (this.#ended === null) {
        const { loss, samples, epoch, lr } = await this.#trainStep(batches);
        last.samples += samples;
        last.loss += loss;
        const seconds = now() - last.seconds;
        const endOfEpoch = this.#data.position.epoch + 1 > epoch || this.#step === this.totalSteps;
        const every = this.#validation?.every ?? null;
        const due = every === null ? endOfEpoch : this.#step % every === 0;
        const validation = this.#validation && due ? await this.#validate(epoch) : null;
        const best = validation !== null && this.#compare(validation);
        if (this.#step === this.totalSteps) this.#ended = 'done';
        else if ((this.#best?.since ?? 0) >= (this.#validation?.patience ?? Infinity)) {
          this.#ended = 'patience';
        } else if (this.#signal?.aborted) this.#ended = 'aborted';

        const reported = this.#ended !== null || validation !== null;
        const report = reported || this.#step % this.#reportEvery === 0;
        const mean = last.loss / (this.#step - last.step);
        if (report) {
          this.history.loss.push([this.#step, mean]);
          this.history.lr.push([this.#step, lr]);
        }
        if (this.#ended !== null || this.#step % (this.#checkpoint?.every ?? Infinity) === 0) {
          await this.save();
        }
        if (!report) continue;
        const pace = (now() - begin.seconds) / (this.#step - begin.step);
        const { samples: done } = last;
        last = { step: this.#step, seconds: now(), samples: 0, loss: 0 };
        yield {
          epoch,
          step: this.#step,
          totalSteps: this.totalSteps,
          loss: mean,
          lr,
          samplesPerSecond: done / seconds,
          etaSeconds: pace * (this.totalSteps - this.#step),
          validation,
          best,
        };
      }
    } finally {
      this.#seconds = this.seconds;
      this.#begun = null;
      await batches.return();
    }
  }

  async #trainStep(batches: AsyncGenerator<Batch<S>, void>) {
    const progress = { epoch: this.#data.position.epoch + 1, step: this.#step + 1 };
    const optimized = this.#optimizer.groups.flatMap(({ parameters }) => parameters);
    // Those of the model that are not optimized have gradients too.
    const parameters = new Set<Tensor>([...optimized, ...this.#model.parameters()]);
    const lr = this.#optimizer.groups[0]!.lr;
    let [loss, samples] = [0, 0];
    try {
      for (let part = 0; part < this.#accumulate; part++) {
        const batch = (await batches.next()).value as Batch<S>;
        const tensors = Object.values(batch);
        samples += tensors[0]!.shape[0]!;
        const value = disposeCreated(
          () => this.#backward(batch, progress),
          () => Array.from(parameters, ({ grad }) => grad),
        );
        for (const tensor of tensors) tensor.dispose();
        loss += (await value)[0]!;
        checkFinite(progress.step, 'the loss', loss);
      }
      if (this.#clipNorm !== null) {
        const norm = clipGradNorm(optimized, this.#clipNorm);
        const value = await norm.item();
        norm.dispose();
        checkFinite(progress.step, 'the norm of the gradients', value);
      }
      this.#optimizer.step();
    } finally {
      for (const parameter of parameters) {
        parameter.grad?.dispose();
        parameter.grad = null;
      }
    }
    this.#step++;
    if (this.#schedule instanceof Schedule) this.#schedule.step();
    return { loss, samples, lr, epoch: progress.epoch };
  }

  /** Adds this batch's part to the gradients; the part of the loss comes when it is computed. */
  #backward(batch: Batch<S>, progress: TrainProgress): Promise<Float32Array> {
    const whole = this.#loss(batch, progress);
    const part = this.#accumulate === 1 ? whole : whole.div(this.#accumulate);
    const value = part.data();
    part.backward();
    return value;
  }

  /** The mean loss over the validation's data. */
  async #validate(epoch: number): Promise<number> {
    const { data, loss = this.#loss } = this.#validation!;
    const progress = { epoch, step: this.#step };
    let [sum, samples] = [0, 0];
    this.#model.eval();
    try {
      for await (const batch of data.seek({ epoch: 0, batch: 0 })) {
        const tensors = Object.values(batch);
        const count = tensors[0]!.shape[0]!;
        const value = disposeCreated(
          () => noGrad(() => loss(batch, progress).data()),
          () => [],
        );
        for (const tensor of tensors) tensor.dispose();
        sum += count * (await value)[0]!;
        samples += count;
      }
    } finally {
      this.#model.train();
    }
    const mean = sum / samples;
    if (this.#schedule instanceof ReduceLROnPlateau) this.#schedule.step(mean);
    return mean;
  }

  /** Keeps the best validation; true for a new one. */
  #compare(loss: number): boolean {
    if (Number.isFinite(loss)) this.history.validation.push([this.#step, loss]);
    const better = Number.isFinite(loss) && !(this.#best && this.#best.loss <= loss);
    if (better) this.#best = { loss, step: this.#step, since: 0 };
    else if (this.#best) this.#best.since++;
    return better;
  }

  /**
   * Writes the checkpoint, and the curve beside it, where there are to be any.
   *
   * @throws ConvLSTMError ERR_IO when one cannot be written
   */
  async save(): Promise<void> {
    if (!this.#checkpoint) return;
    const { file } = this.#checkpoint;
    const model = this.#model.stateDict();
    const optimizer = this.#optimizer.stateDict();
    try {
      await saveCheckpoint(file, {
        step: this.#step,
        seconds: this.seconds,
        position: { ...this.#data.position },
        random: { ...randomState() },
        best: this.#best && { ...this.#best },
        history: { ...this.history },
        schedule: this.#schedule ? { ...this.#schedule.stateDict() } : null,
        optimizer: { tensors: optimizer.tensors, settings: { ...optimizer.settings } },
        model,
      });
    } finally {
      for (const tensor of Object.values(model)) tensor.dispose();
      for (const tensor of Object.values(optimizer.tensors)) tensor.dispose();
    }
    const curve = `${toPath(file).replace(/\.safetensors$/, '')}.svg`;
    await writeBytes(curve, Buffer.from(lossCurve(this.history)));
  }

  /**
   * Goes on from a checkpoint: of this trainer's own file, or of another one. Model, optimizer, data and
   * schedule are to be made as they were for the run that wrote it.
   *
   * @returns this trainer
   * @throws ConvLSTMError ERR_FORMAT for a file that is no such checkpoint, ERR_STATE_DICT for one of
   *   another model or optimizer, ERR_OPTION for one of other data, ERR_IO when it cannot be read
   * @example
   * ```ts
   * if (existsSync('run.safetensors')) await trainer.resume('run.safetensors');
   * ```
   */
  async resume(file: FilePath): Promise<this> {
    const state = await loadCheckpoint(file);
    const { model, optimizer } = state as Partial<RunState>;
    try {
      checkRunState(toPath(file), state);
      this.#model.loadStateDict(state.model);
      this.#optimizer.loadStateDict(state.optimizer);
      if (this.#schedule && state.schedule) this.#schedule.loadStateDict(state.schedule);
      this.#data.seek(state.position);
      setRandomState(state.random);
      this.#step = state.step;
      this.#seconds = state.seconds;
      this.#best = state.best;
      this.#ended = null;
      Object.assign(this.history, state.history);
    } finally {
      const tensors = [...Object.values(model ?? {}), ...Object.values(optimizer?.tensors ?? {})];
      for (const tensor of tensors) if (tensor instanceof Tensor) tensor.dispose();
    }
    return this;
  }
}

/** What `save` writes. */
interface RunState {
  step: number;
  seconds: number;
  position: LoaderPosition;
  random: RandomState;
  best: Best | null;
  history: TrainHistory;
  schedule: CheckpointState;
  optimizer: OptimizerStateDict;
  model: StateDict;
}

/** What the parts check themselves is left to them. */
function checkRunState(name: string, state: object): asserts state is RunState {
  const { step, position, random, history, optimizer, model } = state as Partial<RunState>;
  const objects = [position, random, history, optimizer, optimizer?.tensors, model];
  const lists = [history?.loss, history?.validation, history?.lr];
  const valid = Number.isSafeInteger(step) && objects.every((part) => typeof part === 'object');
  if (!valid || !lists.every(Array.isArray)) {
    throw new ConvLSTMError('ERR_FORMAT', `${name}: is not a checkpoint of a Trainer`);
  }
}

const now = () => performance.now() / 1000;

function checkFinite(step: number, what: string, value: number): void {
  if (Number.isFinite(value)) return;
  const message = `step ${step}: ${what} is ${value}; the parameters are still those before this step`;
  throw new ConvLSTMError('ERR_NOT_FINITE', message);
}

/** The losses of a run by step. @internal */
export function lossCurve({ loss, validation }: TrainHistory): string {
  const series = [
    { name: 'training', points: loss },
    { name: 'validation', points: validation },
  ];
  return lineChart({ title: 'Loss', xLabel: 'step', series });
}
