/** The files of a run: `convlstm train --out RUN`. */
import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, SequenceSample } from '../data/dataset.js';
import { ConvLSTMError } from '../errors.js';
import { inFile, ioError, writeBytes } from '../io/files.js';
import { saveModel } from '../models/files.js';
import type { Forecaster } from '../models/forecaster.js';
import { parseTrainConfig, type TrainConfig } from './config.js';
import type { Trainer } from './trainer.js';

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // V8 gives the position for most mistakes, not for all.
    const at = / at position (\d+)/.exec((cause as Error).message);
    const line = at && text.slice(0, Number(at[1])).split('\n').length;
    const message = `is not valid JSON${line === null ? '' : `: line ${line}`}`;
    throw new ConvLSTMError('ERR_FORMAT', message, { cause });
  }
}

/**
 * Reads a configuration file.
 *
 * @throws ConvLSTMError ERR_OPTION that names file and field, ERR_FORMAT for malformed JSON, ERR_IO
 */
export async function readConfig(path: string): Promise<TrainConfig> {
  try {
    const text = await readFile(path, 'utf8');
    return parseTrainConfig(parseJson(text));
  } catch (error) {
    throw inFile(path, error);
  }
}

/** Awaits `work` done with the options of a file; its ERR_OPTION gets the name of the file. */
export async function withOptionsOf<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const isOption = error instanceof ConvLSTMError && error.code === 'ERR_OPTION';
    throw isOption ? inFile(path, error) : error;
  }
}

/** The folder of one run. */
export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get config(): string {
    return join(this.path, 'config.json');
  }

  get checkpoint(): string {
    return join(this.path, 'checkpoint.safetensors');
  }

  get model(): string {
    return join(this.path, 'model.safetensors');
  }

  get #log(): string {
    return join(this.path, 'log.jsonl');
  }

  /** Whether the folder has a checkpoint. */
  async holdsRun(): Promise<boolean> {
    try {
      return (await stat(this.checkpoint)).isFile();
    } catch {
      return false;
    }
  }

  /** Creates the folder if missing and removes unfinished files of a killed run. */
  async open(config: TrainConfig): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true });
      for (const name of await readdir(this.path)) {
        if (/^\.convlstm-.*\.tmp$/.test(name)) await rm(join(this.path, name), { force: true });
      }
    } catch (error) {
      throw ioError('write', this.path, error);
    }
    await writeBytes(this.config, Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
  }

  /**
   * Makes the log that of `trainer`, whose checkpoint is the truth: drops lines of later steps, of a stop
   * in mid-window and incomplete ones, and adds the checkpoint's report if a kill came before its line.
   */
  async restoreLog({ history, report }: Pick<Trainer, 'history' | 'report'>): Promise<void> {
    const steps = new Set(history.loss.map(([step]) => step));
    const kept = new Map<number, string>();
    for (const line of (await this.#readLog()).split('\n')) {
      const step = stepOf(line);
      if (steps.has(step)) kept.set(step, line);
    }
    if (report && !kept.has(report.step)) kept.set(report.step, JSON.stringify(report));
    const lines = [...kept].sort(([a], [b]) => a - b);
    await writeBytes(this.#log, Buffer.from(lines.map(([, line]) => `${line}\n`).join('')));
  }

  async addToLog(report: object): Promise<void> {
    try {
      await appendFile(this.#log, `${JSON.stringify(report)}\n`, { flush: true });
    } catch (error) {
      throw ioError('write', this.#log, error);
    }
  }

  async #readLog(): Promise<string> {
    try {
      return await readFile(this.#log, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw ioError('read', this.#log, error);
    }
  }

  async saveModel(model: Forecaster, step: number): Promise<void> {
    await saveModel(this.model, model, { metadata: { steps: String(step) } });
  }

  /** Copies the best model so far of the run that is resumed here. */
  async copyModel(from: RunFolder): Promise<void> {
    try {
      await writeBytes(this.model, await readFile(from.model));
    } catch (error) {
      throw ioError('read', from.model, error);
    }
  }

  async saveReport(html: string): Promise<void> {
    await writeBytes(join(this.path, 'report.html'), Buffer.from(html));
  }
}

/** The step of a log line; NaN for an incomplete or damaged one. */
function stepOf(line: string): number {
  try {
    return Number((JSON.parse(line) as { step?: number } | null)?.step);
  } catch {
    return Number.NaN;
  }
}

/** The first samples of a data set, and what the model makes of each. @internal */
export function firstSamples(
  dataset: Dataset<SequenceSample>,
  count: number,
): Promise<SequenceSample[]> {
  const indices = Array.from({ length: Math.min(count, dataset.length) }, (_, index) => index);
  return Promise.all(indices.map((index) => dataset.get(index, 0)));
}
