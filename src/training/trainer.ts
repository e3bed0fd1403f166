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

/** What has happened since the last report. */
interface Window {
  step: number;
  seconds: number;
  samples: number;
  loss: number;
}

/** One step that was made. */
interface Step extends TrainProgress {
  loss: number;
  samples: number;
  lr: number;
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
  readonly #steps: StepOptions<S>;
  readonly #data: DataLoader<S>;
  readonly #schedule: Schedule | ReduceLROnPlateau | null;
  readonly #validation: ValidationOptions<S> | null;
  readonly #checkpoint: { readonly file: FilePath; readonly every: number } | null;
  readonly #reportEvery: number;
  readonly #signal: AbortSignal | undefined;
  #step = 0;
  /** The step that the last checkpoint is of. */
  #saved = 0;
  /** Where data and random numbers stood before the step that is being made. */
  #before: Pick<RunState, 'position' | 'random'> | null = null;
  /** Of loops that have ended. */
  #seconds = 0;
  #begun: number | null = null;
  #best: Best | null = null;
  #ended: TrainEnd | null = null;

  /** @throws ConvLSTMError ERR_OPTION for an option out of its range or unknown */
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

  /** Seconds that the steps took, validations and checkpoints included, those before `resume` too. */
  get seconds(): number {
    return this.#seconds + (this.#begun === null ? 0 : now() - this.#begun);
  }

  /** Why the training ended; null while it has not. */
  get ended(): TrainEnd | null {
    return this.#ended;
  }

  /** The least validation loss so far, and after which step it was found. */
  get best(): {
    /** The validation loss. */
    readonly loss: number;
    /** Steps that had been made. */
    readonly step: number;
  } | null {
    return this.#best && { loss: this.#best.loss, step: this.#best.step };
  }

  /**
   * Trains to the end and shows how it goes on.
   *
   * @returns why it ended
   * @throws ConvLSTMError ERR_NOT_FINITE for a loss that is NaN or infinite, with the step in its
   *   message; ERR_OPTION while another loop trains; what the data and the loss throw. The parameters are
   *   then those before the step, and a checkpoint of them is written
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
   * Trains from where it stands; leaving the loop leaves it there.
   *
   * @throws ConvLSTMError ERR_OPTION in a second loop at the same time
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
    const message = `Trainer: expected ${expected}; await the one that is training, or leave it by break`;
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

  /** Why the training is at its end; null where it is not. */
  #findEnd(): TrainEnd | null {
    if (this.#step >= this.totalSteps) return 'done'; // more where a longer run is gone on from
    const patience = this.#validation?.patience ?? Infinity;
    if (this.#best && this.#best.since >= patience) return 'patience';
    return this.#signal?.aborted ? 'aborted' : null;
  }

  /** Whether a validation follows the step. */
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
      // What ends the training is what is thrown.
      if (this.#step > this.#saved) await this.save().catch(() => {});
      throw error;
    } finally {
      this.#before = null;
    }
  }

  #place(): Pick<RunState, 'position' | 'random'> {
    return { position: this.#data.position, random: randomState() };
  }

  /** The mean loss over the validation's data. */
  async #validate(progress: TrainProgress): Promise<number> {
    const { model, loss: ownLoss } = this.#steps;
    const { data, loss = ownLoss } = this.#validation!;
    const mean = await meanLoss(model, loss, data.seek({ epoch: 0, batch: 0 }), progress);
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
   * Writes the checkpoint, and the curve beside it, where there are to be any. In the middle of a step
   * they are of the last whole one.
   *
   * @throws ConvLSTMError ERR_IO when one cannot be written
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
   * Goes on from a checkpoint: of this trainer's own file, or of another one. Model, optimizer, data and
   * schedule are to be made as they were for the run that wrote it; without a schedule, or with one
   * where the run had none, that part is left out. All of them change, or none when it throws.
   *
   * @returns this trainer
   * @throws ConvLSTMError ERR_FORMAT for a file that is no such checkpoint, ERR_STATE_DICT for one of
   *   another model or optimizer, ERR_OPTION for one of other data or while a loop trains, ERR_IO when it
   *   cannot be read
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
