import { Worker } from 'node:worker_threads';
import { ConvLSTMError, type ErrorCode } from '../errors.js';
import type { BatchArrays, DatasetSource } from './dataset.js';

/** Message to a worker. */
export interface BatchRequest {
  id: number;
  indices: readonly number[];
  epoch: number;
}

/** Reply of a worker. Errors are sent as text: structured clone drops their class and fields. */
export type BatchReply =
  | { id: number; batch: BatchArrays }
  | { id: number; failure: { message: string; code: ErrorCode; stack: string } };

interface Waiting {
  resolve(batch: BatchArrays | null): void;
  reject(error: ConvLSTMError): void;
}

function start({ module, options }: DatasetSource): Worker {
  try {
    return new Worker(new URL('./loader-worker.js', import.meta.url), {
      workerData: { module: String(module), options },
    });
  } catch (cause) {
    const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
    if (name === 'DataCloneError') {
      const refused = `source.options: cannot go to a worker: ${message}`;
      throw new ConvLSTMError('ERR_OPTION', refused, { cause });
    }
    const failed = `a worker of the DataLoader cannot start: ${message}`;
    throw new ConvLSTMError('ERR_IO', failed, { cause });
  }
}

/** A worker and the batches awaited from it. */
class LoaderWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #ended: ConvLSTMError | null = null;
  #closed = false;
  #count = 0;

  constructor(source: DatasetSource) {
    this.#worker = start(source);
    this.#worker.unref();
    this.#worker.on('message', (reply: BatchReply) => this.#settle(reply));
    this.#worker.on('error', (cause) => this.#end(cause));
    this.#worker.on('exit', (code) => this.#end(new Error(`it ended with exit code ${code}`)));
  }

  make(indices: readonly number[], epoch: number): Promise<BatchArrays | null> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#ended);
        return;
      }
      const id = this.#count++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref(); // keeps the process alive while a batch is awaited
      this.#worker.postMessage({ id, indices, epoch } satisfies BatchRequest);
    });
  }

  close(): Promise<unknown> {
    this.#closed = true;
    for (const { resolve } of this.#waiting.values()) resolve(null);
    this.#waiting.clear();
    this.#worker.ref(); // the caller awaits the exit: the process must not end before it
    return this.#worker.terminate();
  }

  #settle(reply: BatchReply): void {
    // A late reply must not unref the worker whose exit close() awaits.
    if (this.#closed) return;
    const waiting = this.#waiting.get(reply.id)!;
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ('batch' in reply) {
      waiting.resolve(reply.batch);
      return;
    }
    const { message, code, stack } = reply.failure;
    const cause = new Error(message);
    cause.stack = stack;
    waiting.reject(new ConvLSTMError(code, message, { cause }));
  }

  #end(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#ended ??= new ConvLSTMError('ERR_IO', `a worker of the DataLoader failed: ${reason}`, {
      cause,
    });
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

/** Makes batches on worker threads, round-robin; each thread starts with its first batch. @internal */
export class LoaderWorkers {
  readonly #source: DatasetSource;
  readonly #count: number;
  readonly #workers: LoaderWorker[] = [];
  closed = false;
  #next = 0;

  constructor(source: DatasetSource, count: number) {
    this.#source = source;
    this.#count = count;
  }

  /** Resolves to null when the workers are closed first. */
  async make(indices: readonly number[], epoch: number): Promise<BatchArrays | null> {
    if (this.closed) return null;
    this.#workers[this.#next] ??= new LoaderWorker(this.#source);
    const worker = this.#workers[this.#next]!;
    this.#next = (this.#next + 1) % this.#count;
    return worker.make(indices, epoch);
  }

  /** Ends the threads, in the middle of a batch too. Idempotent. */
  close(): Promise<unknown> {
    this.closed = true;
    return Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
