import type { Batch, DataLoader } from '../data/data-loader.js';
import type { Sample } from '../data/dataset.js';
import { ConvLSTMError } from '../errors.js';
import { checkFolderOf, type FilePath, removeUnfinished, toPath, writeBytes } from '../io/files.js';
import { ReduceLROnPlateau } from '../optim/reduce-lr-on-plateau.js';
import { Schedule } from '../optim/schedule.js';
import { refuseOption } from '../options.js';
import { randomState, setRandomState } from '../tensor/random.js';
import { BestModel, disposeAll } from './best-model.js';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import { lossCurve } from './loss-curve.js';
import { openDisplay, type ProgressOptions } from './progress.js';
import { checkRunState, loadRunState, type ReportWindow, type RunState } from './run-state.js';
import { meansOf, type StepOptions, trainStep } from './train-step.js';
import {
  checkTrainerOptions,
  type TrainEnd,
  type TrainerOptions,
  type TrainHistory,
  type TrainProgress,
  type TrainReport,
  type ValidationOptions,
} from './trainer-options.js';

/** A checkpoint is written after this time without one, in seconds. */
const kCheckpointSeconds = 120;

/** A completed step. */
interface Step extends TrainProgress {
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
  /** The last checkpoint: its step, and seconds of training. */
  #saved = { step: 0, seconds: 0 };
  #window: ReportWindow = { step: 0, seconds: 0, samples: 0, loss: 0 };
  #report: TrainReport | null = null;
  /** Positions of data and random numbers before the step in progress. */
  #before: Pick<RunState, 'position' | 'random'> | null = null;
  /** Seconds of loops that have ended. */
  #seconds = 0;
  #begun: number | null = null;
  readonly #best = new BestModel();
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
    const best = this.#best.validation;
    return best && { loss: best.loss, step: best.step };
  }

  /** The last report of the steps in `history`; null before it. */
  get report(): TrainReport | null {
    return this.#report && { ...this.#report };
  }

  /**
   * Loads the weights of the best validation into the model: for use, or for training on from them.
   *
   * @returns this trainer
   * @throws ConvLSTMError ERR_OPTION before the first validation and while a loop trains
   * @example
   * ```ts
   * await trainer.run();
   * trainer.restoreBest();
   * await saveModel('best.safetensors', model);
   * ```
   */
  restoreBest(): this {
    this.#checkIdle('no loop while it restores the best weights');
    this.#best.restore(this.#steps.model);
    return this;
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
    const display = openDisplay(options, this);
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
      if (this.#checkpoint) {
        await checkFolderOf(this.#checkpoint.file);
        for (const file of this.#files()) await removeUnfinished(file);
      }
      yield* this.#train();
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

  async *#train(): AsyncGenerator<TrainReport, void> {
    this.#ended = this.#findEnd();
    this.#steps.model.train();
    const begin = { step: this.#step, seconds: this.seconds };
    this.#saved.seconds = begin.seconds;
    const batches = this.#data.endless();
    try {
      while (this.#ended === null) {
        const made = await this.#trainStep(batches);
        const { epoch, step, lr } = made;
        const pace = (this.seconds - begin.seconds) / (step - begin.step);
        const seconds = this.seconds - this.#window.seconds;
        const validated = this.#isValidated(made) ? await this.#validate(made) : null;
        const best = validated !== null && this.#compare(step, validated.validation);
        this.#ended = this.#findEnd();
        const report = {
          epoch,
          step,
          totalSteps: this.totalSteps,
          loss: this.#window.loss / (step - this.#window.step),
          lr,
          samplesPerSecond: this.#window.samples / Math.max(seconds, 1e-6),
          etaSeconds: pace * (this.totalSteps - step),
          ...(validated ?? { validation: null, metrics: {} }),
          best,
        };
        const due = validated !== null || step % this.#reportEvery === 0;
        const regular = due || this.#ended === 'done';
        if (regular) this.#keep(report);
        if (this.#ended !== null || validated !== null || this.#isSaved(step)) await this.save();
        if (regular || this.#ended !== null) yield report;
      }
    } finally {
      await batches.return();
    }
  }

  /** Begins the next window of a report. An extra report, of an aborted run, must not: it would differ. */
  #keep(report: TrainReport): void {
    const { step, loss, lr } = report;
    this.history.loss.push([step, loss]);
    this.history.lr.push([step, lr]);
    this.#report = report;
    this.#window = { step, seconds: this.seconds, samples: 0, loss: 0 };
  }

  /** Whether a checkpoint is due after the step. */
  #isSaved(step: number): boolean {
    if (!this.#checkpoint) return false;
    const waited = this.seconds - this.#saved.seconds >= kCheckpointSeconds;
    return waited || step % this.#checkpoint.every === 0;
  }

  /** Reason for the end; null while there are steps left. */
  #findEnd(): TrainEnd | null {
    if (this.#step >= this.totalSteps) return 'done'; // above totalSteps after resuming from a longer run
    const patience = this.#validation?.patience ?? Infinity;
    if ((this.#best.validation?.since ?? 0) >= patience) return 'patience';
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
      const { samples, loss } = await trainStep(this.#steps, batches, progress);
      this.#step++;
      this.#window.samples += samples;
      this.#window.loss += loss;
      if (this.#schedule instanceof Schedule) this.#schedule.step();
      return { ...progress, lr };
    } catch (error) {
      const { position, random } = this.#before;
      this.#data.seek(position);
      setRandomState(random);
      // The caller needs the error of the step, not that of the checkpoint.
      if (this.#step > this.#saved.step) await this.save().catch(() => {});
      throw error;
    } finally {
      this.#before = null;
    }
  }

  #place(): Pick<RunState, 'position' | 'random'> {
    return { position: this.#data.position, random: randomState() };
  }

  /** Means over the validation data. */
  async #validate(
    progress: TrainProgress,
  ): Promise<Pick<TrainReport, 'metrics'> & { validation: number }> {
    const { model, loss: ownLoss } = this.#steps;
    const { data, loss = ownLoss, metrics = {} } = this.#validation!;
    const losses = [loss, ...Object.values(metrics)];
    const means = await meansOf(model, losses, data.seek({ epoch: 0, batch: 0 }), progress);
    const [validation, ...rest] = means as [number, ...number[]];
    if (this.#schedule instanceof ReduceLROnPlateau) this.#schedule.step(validation);
    const named = Object.keys(metrics).map((name, n) => [name, rest[n]!]);
    return { validation, metrics: Object.fromEntries(named) };
  }

  #compare(step: number, loss: number): boolean {
    if (Number.isFinite(loss)) this.history.validation.push([step, loss]);
    return this.#best.compare(step, loss, this.#steps.model);
  }

  /** Checkpoint and curve. */
  #files(): string[] {
    const file = toPath(this.#checkpoint!.file);
    return [file, `${file.replace(/\.safetensors$/, '')}.svg`];
  }

  /**
   * Writes the checkpoint and the loss curve, if `checkpoint` was given. During a step both are those of
   * the last completed step.
   *
   * @throws ConvLSTMError ERR_IO when a file cannot be written
   */
  async save(): Promise<void> {
    if (!this.#checkpoint) return;
    const [file, curve] = this.#files() as [string, string];
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
        best: this.#best.validation && { ...this.#best.validation },
        history: { ...this.history },
        window: { ...this.#window },
        // As a line of a log: NaN is null.
        report: JSON.parse(JSON.stringify(this.#report)),
        bestModel: this.#best.weights,
        schedule: this.#schedule ? { ...this.#schedule.stateDict() } : null,
        optimizer: { tensors: optimizer.tensors, settings: { ...optimizer.settings } },
        model,
      });
    } finally {
      disposeAll(model);
      disposeAll(optimizer.tensors);
    }
    await writeBytes(curve, Buffer.from(lossCurve(this.history)));
    this.#saved = { step, seconds: this.seconds };
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
    const { model, bestModel, optimizer } = state as Partial<RunState>;
    try {
      this.#checkIdle('no loop while it resumes');
      checkRunState(toPath(file), state);
      loadRunState(toPath(file), state, {
        model: this.#steps.model,
        optimizer: this.#steps.optimizer,
        schedule: this.#schedule,
        data: this.#data,
      });
      const { step, seconds, history } = state;
      this.#step = step;
      this.#seconds = seconds;
      this.#saved = { step, seconds };
      this.#window = state.window ?? { step, seconds, samples: 0, loss: 0 };
      this.#report = state.report ?? null;
      this.#best.set(state.best, state.bestModel ?? null);
      this.#ended = null;
      const { loss, validation, lr } = history;
      Object.assign(this.history, { loss, validation, lr });
    } finally {
      for (const tensors of [model, bestModel, optimizer?.tensors]) disposeAll(tensors);
    }
    return this;
  }
}

const now = () => performance.now() / 1000;
