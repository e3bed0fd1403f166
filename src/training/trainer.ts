import type { Batch, DataLoader } from '../data/data-loader.js';
import type { Sample } from '../data/dataset.js';
import { ConvLSTMError } from '../errors.js';
import { checkFolderOf, type FilePath, toPath, writeBytes } from '../io/files.js';
import { ReduceLROnPlateau } from '../optim/reduce-lr-on-plateau.js';
import { Schedule } from '../optim/schedule.js';
import { refuseOption } from '../options.js';
import { randomState, setRandomState } from '../tensor/random.js';
import { Tensor } from '../tensor/tensor.js';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import { lossCurve } from './loss-curve.js';
import { openDisplay, type ProgressOptions } from './progress.js';
import { type Best, checkRunState, loadRunState, type RunState } from './run-state.js';
import { meanLoss, type StepOptions, trainStep } from './train-step.js';
import {
  checkTrainerOptions,
  type TrainEnd,
  type TrainerOptions,
  type TrainHistory,
  type TrainProgress,
  type TrainReport,
  type ValidationOptions,
} from './trainer-options.js';

/** Sums since the last report. */
interface Window {
  step: number;
  seconds: number;
  samples: number;
  loss: number;
}

/** A completed step. */
interface Step extends TrainProgress {
  loss: number;
  samples: number;
  lr: number;
}

/**
 * Trains a model: optimizer steps over the batches of a loader, with reports, validation, checkpoints.
 *
 * Iterating a trainer trains and yields reports; `run()` does the same and shows them. A training
 * continues where it stopped: by another loop in the same process, after `resume` in another one. With the
 * same data, device and thread count it ends with the same bits as an uninterrupted training.
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
  /** Values for curves; saved in checkpoints. */
  readonly history: TrainHistory = { loss: [], validation: [], lr: [] };
  readonly #steps: StepOptions<S>;
  readonly #data: DataLoader<S>;
  readonly #schedule: Schedule | ReduceLROnPlateau | null;
  readonly #validation: ValidationOptions<S> | null;
  readonly #checkpoint: { readonly file: FilePath; readonly every: number } | null;
  readonly #reportEvery: number;
  readonly #signal: AbortSignal | undefined;
  #step = 0;
  /** Step of the last checkpoint. */
  #saved = 0;
  /** Positions of data and random numbers before the step in progress. */
  #before: Pick<RunState, 'position' | 'random'> | null = null;
  /** Seconds of loops that have ended. */
  #seconds = 0;
  #begun: number | null = null;
  #best: Best | null = null;
  #ended: TrainEnd | null = null;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(options: TrainerOptions<S>) {
    checkTrainerOptions(options);
    const { epochs = 1, accumulate = 1, clipNorm = null, reportEvery = 10 } = options;
    const { model, optimizer, loss, checkpoint = null } = options;
    this.#steps = { model, optimizer, loss, accumulate, clipNorm };
    this.#data = options.data;
    this.#schedule = options.schedule ?? null;
    this.#validation = options.validation ?? null;
    this.#checkpoint = checkpoint && {
      file: checkpoint.file,
      every: checkpoint.every ?? 100,
    };
    this.#reportEvery = reportEvery;
    this.#signal = options.signal;
    const batches = epochs * options.data.batchesPerEpoch;
    this.totalSteps = Math.floor(batches / accumulate);
    if (this.totalSteps === 0) {
      refuseOption('accumulate', `at most the ${batches} batches of the training`, accumulate);
    }
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** Seconds of training, with validations and checkpoints, and with those before `resume`. */
  get seconds(): number {
    return this.#seconds + (this.#begun === null ? 0 : now() - this.#begun);
  }

  /** Reason for the end of the training; null before it. */
  get ended(): TrainEnd | null {
    return this.#ended;
  }

  /** Least validation loss so far and its step; null before the first validation. */
  get best(): {
    /** The validation loss. */
    readonly loss: number;
    /** Steps done before it. */
    readonly step: number;
  } | null {
    return this.#best && { loss: this.#best.loss, step: this.#best.step };
  }

  /**
   * Trains to the end and shows the progress.
   *
   * @returns the reason for the end
   * @throws ConvLSTMError ERR_NOT_FINITE for a loss that is NaN or infinite, with the step in its
   *   message; ERR_OPTION while another loop trains; errors of data and loss. The parameters are then those
   *   before the step, and a checkpoint of them is written
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

  /**
   * Trains from the present step; leaving the loop stops there.
   *
   * @throws ConvLSTMError ERR_OPTION for a second loop at the same time
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainReport, void> {
    this.#checkIdle('one loop at a time');
    this.#begun = now();
    try {
      if (this.#checkpoint) await checkFolderOf(this.#checkpoint.file);
      yield* this.#train(this.#begun);
    } finally {
      this.#seconds = this.seconds;
      this.#begun = null;
    }
  }

  #checkIdle(expected: string): void {
    if (this.#begun === null) return;
    const message = `Trainer: expected ${expected}; await the loop that is training, or leave it by break`;
    throw new ConvLSTMError('ERR_OPTION', message);
  }

  async *#train(begun: number): AsyncGenerator<TrainReport, void> {
    this.#ended = this.#findEnd();
    this.#steps.model.train();
    const begin = { step: this.#step, seconds: begun };
    let window: Window = { ...begin, samples: 0, loss: 0 };
    const batches = this.#data.endless();
    try {
      while (this.#ended === null) {
        const made = await this.#trainStep(batches);
        window.samples += made.samples;
        window.loss += made.loss;
        const seconds = now() - window.seconds;
        const validation = this.#isValidated(made) ? await this.#validate(made) : null;
        const best = validation !== null && this.#compare(validation);
        this.#ended = this.#findEnd();

        const reported =
          this.#ended !== null || validation !== null || made.step % this.#reportEvery === 0;
        const loss = window.loss / (made.step - window.step);
        if (reported) {
          this.history.loss.push([made.step, loss]);
          this.history.lr.push([made.step, made.lr]);
        }
        if (this.#ended !== null || made.step % (this.#checkpoint?.every ?? Infinity) === 0) {
          await this.save();
        }
        if (!reported) continue;
        const pace = (now() - begin.seconds) / (made.step - begin.step);
        const { epoch, step, lr } = made;
        const { totalSteps } = this;
        const etaSeconds = pace * (totalSteps - step);
        const samplesPerSecond = window.samples / seconds;
        window = { step, seconds: now(), samples: 0, loss: 0 };
        yield { epoch, step, totalSteps, loss, lr, samplesPerSecond, etaSeconds, validation, best };
      }
    } finally {
      await batches.return();
    }
  }

  /** Reason for the end; null while there are steps left. */
  #findEnd(): TrainEnd | null {
    if (this.#step >= this.totalSteps) return 'done'; // above totalSteps after resuming from a longer run
    const patience = this.#validation?.patience ?? Infinity;
    if (this.#best && this.#best.since >= patience) return 'patience';
    return this.#signal?.aborted ? 'aborted' : null;
  }

  /** Whether a validation is due after the step. */
  #isValidated({ epoch, step }: Step): boolean {
    if (!this.#validation) return false;
    const { every = null } = this.#validation;
    if (every !== null) return step % every === 0;
    return this.#data.position.epoch >= epoch || step === this.totalSteps;
  }

  async #trainStep(batches: AsyncGenerator<Batch<S>, void>): Promise<Step> {
    const progress = { epoch: this.#data.position.epoch + 1, step: this.#step + 1 };
    const lr = this.#steps.optimizer.groups[0]!.lr;
    this.#before = this.#place();
    try {
      const made = await trainStep(this.#steps, batches, progress);
      this.#step++;
      if (this.#schedule instanceof Schedule) this.#schedule.step();
      return { ...progress, ...made, lr };
    } catch (error) {
      const { position, random } = this.#before;
      this.#data.seek(position);
      setRandomState(random);
      // The caller needs the error of the step, not that of the checkpoint.
      if (this.#step > this.#saved) await this.save().catch(() => {});
      throw error;
    } finally {
      this.#before = null;
    }
  }

  #place(): Pick<RunState, 'position' | 'random'> {
    return { position: this.#data.position, random: randomState() };
  }

  /** Mean loss over the validation data. */
  async #validate(progress: TrainProgress): Promise<number> {
    const { model, loss: ownLoss } = this.#steps;
    const { data, loss = ownLoss } = this.#validation!;
    const mean = await meanLoss(model, loss, data.seek({ epoch: 0, batch: 0 }), progress);
    if (this.#schedule instanceof ReduceLROnPlateau) this.#schedule.step(mean);
    return mean;
  }

  /** Updates the best validation; true if `loss` is the new best. */
  #compare(loss: number): boolean {
    if (Number.isFinite(loss)) this.history.validation.push([this.#step, loss]);
    const better = Number.isFinite(loss) && !(this.#best && this.#best.loss <= loss);
    if (better) this.#best = { loss, step: this.#step, since: 0 };
    else if (this.#best) this.#best.since++;
    return better;
  }

  /**
   * Writes the checkpoint and the loss curve, if `checkpoint` was given. During a step both are those of
   * the last completed step.
   *
   * @throws ConvLSTMError ERR_IO when a file cannot be written
   */
  async save(): Promise<void> {
    if (!this.#checkpoint) return;
    const { file } = this.#checkpoint;
    const model = this.#steps.model.stateDict();
    const optimizer = this.#steps.optimizer.stateDict();
    const { position, random } = this.#before ?? this.#place();
    const step = this.#step;
    try {
      await saveCheckpoint(file, {
        step,
        seconds: this.seconds,
        position: { ...position },
        random: { ...random },
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
    this.#saved = step;
  }

  /**
   * Resumes from a checkpoint, the trainer's own or another file. Model, optimizer, data and schedule have
   * to be built as in the run that wrote it; the schedule's state is skipped if one of the two runs has
   * no schedule. Everything is loaded, or nothing when it throws.
   *
   * @returns this trainer
   * @throws ConvLSTMError ERR_FORMAT for a file that is not a trainer's checkpoint, ERR_STATE_DICT for
   *   another model or optimizer, ERR_OPTION for other data or while a loop trains, ERR_IO when it cannot
   *   be read
   * @example
   * ```ts
   * if (existsSync('run.safetensors')) await trainer.resume('run.safetensors');
   * ```
   */
  async resume(file: FilePath): Promise<this> {
    const state = await loadCheckpoint(file);
    const { model, optimizer } = state as Partial<RunState>;
    try {
      this.#checkIdle('no loop while it resumes');
      checkRunState(toPath(file), state);
      loadRunState(toPath(file), state, {
        model: this.#steps.model,
        optimizer: this.#steps.optimizer,
        schedule: this.#schedule,
        data: this.#data,
      });
      this.#step = this.#saved = state.step;
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

const now = () => performance.now() / 1000;
