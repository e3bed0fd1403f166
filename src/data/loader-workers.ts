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
  resolve(batch: BatchArrays): void;
  reject(error: ConvLSTMError): void;
}

function start({ module, options }: DatasetSource): Worker {
  try {
    return new Worker(new URL('./loader-worker.js', import.meta.url), {
      workerData: { module: String(module), options },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConvLSTMError('ERR_OPTION', `source.options: cannot go to a worker: ${reason}`, {
      cause,
    });
  }
}

/** A worker and the batches awaited from it. */
class LoaderWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #ended: ConvLSTMError | null = null;
  #count = 0;

  constructor(source: DatasetSource) {
    this.#worker = start(source);
    this.#worker.unref();
    this.#worker.on('message', (reply: BatchReply) => this.#settle(reply));
    this.#worker.on('error', (cause) => this.#end(cause));
    this.#worker.on('exit', (code) => this.#end(new Error(`it ended with exit code ${code}`)));
  }

  make(indices: readonly number[], epoch: number): Promise<BatchArrays> {
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
    return this.#worker.terminate();
  }

  #settle(reply: BatchReply): void {
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

/** Makes batches on worker threads, round-robin. @internal */
export class LoaderWorkers {
  readonly #workers: LoaderWorker[];
  #next = 0;

  constructor(source: DatasetSource, count: number) {
    this.#workers = Array.from({ length: count }, () => new LoaderWorker(source));
  }

  make(indices: readonly number[], epoch: number): Promise<BatchArrays> {
    const worker = this.#workers[this.#next]!;
    this.#next = (this.#next + 1) % this.#workers.length;
    return worker.make(indices, epoch);
  }

  close(): Promise<unknown> {
    return Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
