/** The files of a run: `convlstm train --out RUN`. */
import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, SequenceSample } from '../data/dataset.js';
import { ConvLSTMError } from '../errors.js';
import { inFile, ioError, writeBytes } from '../io/files.js';
import { saveModel } from '../models/files.js';
import type { Forecaster } from '../models/forecaster.js';
import { parseTrainConfig, type TrainConfig } from './config.js';

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // V8 says where, but not for every mistake.
    const at = / at position (\d+)/.exec((cause as Error).message);
    const line = at && text.slice(0, Number(at[1])).split('\n').length;
    const message = `is not valid JSON${line === null ? '' : `: line ${line}`}`;
    throw new ConvLSTMError('ERR_FORMAT', message, { cause });
  }
}

/**
 * A configuration file.
 *
 * @throws ConvLSTMError ERR_OPTION that names file and field, ERR_FORMAT for what is no JSON, ERR_IO
 */
export async function readConfig(path: string): Promise<TrainConfig> {
  try {
    const text = await readFile(path, 'utf8');
    return parseTrainConfig(parseJson(text));
  } catch (error) {
    throw inFile(path, error);
  }
}

/** Awaits `work`, which options of a file decide: its ERR_OPTION gets the name of the file. */
export async function withOptionsOf<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const isOption = error instanceof ConvLSTMError && error.code === 'ERR_OPTION';
    throw isOption ? inFile(path, error) : error;
  }
}

/** A folder that holds one run. */
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

  /** Whether there is a run in it. */
  async holdsRun(): Promise<boolean> {
    try {
      return (await stat(this.checkpoint)).isFile();
    } catch {
      return false;
    }
  }

  /** Makes the folder where there is none, and removes what a killed run left unfinished. */
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

  /** Takes out of the log what came after the step that is gone on from, and what was cut short. */
  async cutLog(step: number): Promise<void> {
    const kept = (await this.#readLog()).split('\n').filter((line) => stepOf(line) <= step);
    await writeBytes(this.#log, Buffer.from(kept.map((line) => `${line}\n`).join('')));
  }

  async addToLog(report: object): Promise<void> {
    try {
      await appendFile(this.#log, `${JSON.stringify(report)}\n`);
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

  /** The best model so far of a run that is gone on with here. */
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

/** The step of a line of the log; Infinity for half a line. */
function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as { step: number }).step;
  } catch {
    return Infinity;
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
