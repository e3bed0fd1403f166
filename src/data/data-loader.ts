import type { Device } from '../backend.js';
import { ConvLSTMError, kindOf } from '../errors.js';
import { checkCount, checkFlag, checkNames } from '../options.js';
import { Tensor } from '../tensor/tensor.js';
import { type BatchArrays, collate, type Dataset, type Sample } from './dataset.js';
import { LoaderWorkers } from './loader-workers.js';
import { checkSeed, RandomStream } from './random-stream.js';

/** Options of `DataLoader`. */
export interface DataLoaderOptions {
  /** Samples in a batch; 1 by default. */
  batchSize?: number | undefined;
  /** A new order in every epoch, which `seed` and the epoch's number decide; false by default. */
  shuffle?: boolean | undefined;
  /** 0 by default. */
  seed?: number | undefined;
  /** Leaves out what does not fill a batch at the end of an epoch; false by default. */
  dropLast?: boolean | undefined;
  /** Threads that make samples, for datasets with a `source`; 0, this thread, by default. */
  workers?: number | undefined;
  /** Batches made before they are asked for; 2 by default, or 2 for each worker. */
  prefetch?: number | undefined;
  /** Where the batches go; CONVLSTM_DEVICE, else `'cpu'`, by default. */
  device?: Device | undefined;
}

/** The arrays of samples side by side: [batch, ...] each, the caller's own. */
export type Batch<S extends Sample = Sample> = { [Name in keyof S]: Tensor };

/** Which batch comes next, counted from 0. */
export interface LoaderPosition {
  /** Which pass over the data. */
  epoch: number;
  /** Which batch of it. */
  batch: number;
}

interface BatchMaker {
  make(indices: readonly number[], epoch: number): Promise<BatchArrays>;
  close(): Promise<unknown>;
}

/** Makes batches in this thread, where it waits for others anyway. */
class LocalMaker implements BatchMaker {
  readonly #dataset: Dataset;

  constructor(dataset: Dataset) {
    this.#dataset = dataset;
  }

  async make(indices: readonly number[], epoch: number): Promise<BatchArrays> {
    await new Promise((resolve) => setImmediate(resolve));
    return collate(this.#dataset, indices, epoch);
  }

  async close(): Promise<void> {}
}

/**
 * Batches of a dataset, made ahead on worker threads, so that the device need not wait for them.
 *
 * `for await (const batch of loader)` goes through one epoch, from where the loader stands to the
 * epoch's end; the next loop goes through the next one. Samples and their order depend on the seed
 * alone, not on workers. Workers end with the loop.
 *
 * @example
 * ```ts
 * const loader = new DataLoader(new MovingMnist(digits), { batchSize: 16, shuffle: true, workers: 1 });
 * for await (const { input, target } of loader) {
 *   // [16, 10, 1, 64, 64] each
 * }
 * ```
 */
export class DataLoader<S extends Sample = Sample> implements AsyncIterable<Batch<S>> {
  /** What the batches are of. */
  readonly dataset: Dataset<S>;
  /** Samples in a batch; the last one of an epoch may have fewer. */
  readonly batchSize: number;
  /** Of a whole epoch. */
  readonly batchesPerEpoch: number;
  readonly #shuffle: boolean;
  readonly #seed: number;
  readonly #workers: number;
  readonly #prefetch: number;
  readonly #device: Device | undefined;
  #position: LoaderPosition = { epoch: 0, batch: 0 };

  /** @throws ConvLSTMError ERR_OPTION for an option out of its range or unknown, or a dataset without
   *   samples */
  constructor(dataset: Dataset<S>, options: DataLoaderOptions = {}) {
    checkNames('DataLoader', options, {
      batchSize: true,
      shuffle: true,
      seed: true,
      dropLast: true,
      workers: true,
      prefetch: true,
      device: true,
    });
    const { batchSize = 1, shuffle = false, seed = 0, dropLast = false, workers = 0 } = options;
    if (typeof dataset?.get !== 'function') {
      const message = `DataLoader: expected a dataset { length, get }, got ${kindOf(dataset)}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    this.dataset = dataset;
    checkCount('dataset.length', dataset.length);
    this.batchSize = checkCount('batchSize', batchSize);
    this.#shuffle = checkFlag('shuffle', shuffle);
    this.#seed = checkSeed(seed);
    if (workers !== 0) checkCount('workers', workers);
    if (workers > 0 && !dataset.source) {
      const message = 'workers: expected 0 for a dataset that does not say how to make it (source)';
      throw new ConvLSTMError('ERR_OPTION', `${message}, got ${workers}`);
    }
    this.#workers = workers;
    this.#prefetch = checkCount('prefetch', options.prefetch ?? 2 * Math.max(1, workers));
    this.#device = options.device;
    const batches = dataset.length / batchSize;
    this.batchesPerEpoch = checkFlag('dropLast', dropLast)
      ? Math.floor(batches)
      : Math.ceil(batches);
    if (this.batchesPerEpoch === 0) {
      const message = `batchSize: expected at most ${dataset.length} samples with dropLast, got ${batchSize}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
  }

  /** The batch that comes next: what a checkpoint keeps, and `seek` takes. */
  get position(): LoaderPosition {
    return { ...this.#position };
  }

  /**
   * Goes to a position, for loops that begin after it.
   *
   * @throws ConvLSTMError ERR_OPTION for a position that is none
   */
  seek({ epoch, batch }: LoaderPosition): this {
    const valid = [epoch, batch].every((n) => Number.isSafeInteger(n) && n >= 0);
    if (!valid || batch >= this.batchesPerEpoch) {
      const message = `position: expected batch 0 to ${this.batchesPerEpoch - 1} of an epoch, got ${batch} of ${epoch}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    this.#position = { epoch, batch };
    return this;
  }

  /** From the position to the end of its epoch. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch<S>, void> {
    return this.#iterate(this.#position.epoch + 1);
  }

  /** From the position on, one epoch after another without a pause and without an end. */
  endless(): AsyncGenerator<Batch<S>, void> {
    return this.#iterate(Infinity);
  }

  #after({ epoch, batch }: LoaderPosition): LoaderPosition {
    const last = batch + 1 === this.batchesPerEpoch;
    return last ? { epoch: epoch + 1, batch: 0 } : { epoch, batch: batch + 1 };
  }

  /** The samples of an epoch in their order, by Fisher and Yates. */
  #orderOf(epoch: number): Uint32Array {
    const order = Uint32Array.from({ length: this.dataset.length }, (_, index) => index);
    if (!this.#shuffle) return order;
    const random = new RandomStream(this.#seed, epoch);
    for (let n = order.length - 1; n > 0; n--) {
      const other = random.integer(n + 1);
      [order[n], order[other]] = [order[other]!, order[n]!];
    }
    return order;
  }

  async *#iterate(endEpoch: number): AsyncGenerator<Batch<S>, void> {
    const maker: BatchMaker =
      this.#workers > 0
        ? new LoaderWorkers(this.dataset.source!, this.#workers)
        : new LocalMaker(this.dataset);
    const pending: Promise<BatchArrays>[] = [];
    let asked = this.position;
    let order = { epoch: asked.epoch, samples: this.#orderOf(asked.epoch) };
    const ask = () => {
      while (pending.length < this.#prefetch && asked.epoch < endEpoch) {
        const { epoch, batch } = asked;
        if (order.epoch !== epoch) order = { epoch, samples: this.#orderOf(epoch) };
        const first = batch * this.batchSize;
        const indices = [...order.samples.subarray(first, first + this.batchSize)];
        const making = maker.make(indices, epoch);
        making.catch(() => {}); // thrown where it is awaited, if it still is
        pending.push(making);
        asked = this.#after(asked);
      }
    };
    try {
      let next = this.position;
      ask();
      while (pending.length > 0) {
        const arrays = await pending.shift()!;
        ask();
        next = this.#after(next);
        this.#position = next;
        yield this.#upload(arrays);
      }
    } finally {
      await maker.close();
    }
  }

  #upload(arrays: BatchArrays): Batch<S> {
    const entries = Object.entries(arrays).map(([name, { data, shape }]) => [
      name,
      Tensor.from(data, shape, { device: this.#device }),
    ]);
    return Object.fromEntries(entries) as Batch<S>;
  }
}
