import type { Device } from '../backend.js';
import { ConvLSTMError, kindOf } from '../errors.js';
import { checkCount, checkFlag, checkNames, checkSeed, refuseOption } from '../options.js';
import { Tensor } from '../tensor/tensor.js';
import { type BatchArrays, collate, type Dataset, type Sample } from './dataset.js';
import { LoaderWorkers } from './loader-workers.js';
import { RandomStream } from './random-stream.js';

/** Options of `DataLoader`. */
export interface DataLoaderOptions {
  /** Samples per batch; 1 by default. */
  batchSize?: number | undefined;
  /** Whether every epoch has a new order, derived from `seed` and its number; false by default. */
  shuffle?: boolean | undefined;
  /** Seed of the order; 0 by default. */
  seed?: number | undefined;
  /** Whether an incomplete batch at the end of an epoch is dropped; false by default. */
  dropLast?: boolean | undefined;
  /** Worker threads that load samples, for datasets with a `source`; 0, this thread, by default. */
  workers?: number | undefined;
  /** Batches loaded ahead; 2 by default, or 2 per worker. */
  prefetch?: number | undefined;
  /** Device of the batches; CONVLSTM_DEVICE, else `'cpu'`, by default. */
  device?: Device | undefined;
}

/** The arrays of a batch's samples stacked: [batch, ...] each, owned by the caller. */
export type Batch<S extends Sample = Sample> = { [Name in keyof S]: Tensor };

/** Position of the next batch, counted from 0. */
export interface LoaderPosition {
  /** Number of the pass over the data. */
  epoch: number;
  /** Number of the batch in the epoch. */
  batch: number;
}

interface BatchMaker {
  /** Resolves to null when `close` comes first. */
  make(indices: readonly number[], epoch: number): Promise<BatchArrays | null>;
  close(): Promise<unknown>;
  readonly closed: boolean;
}

/** Closes the makers of loops that are dropped without `return()`. */
const abandoned = new FinalizationRegistry<BatchMaker>((maker) => maker.close());

/** Makes batches on this thread, after pending events. */
class LocalMaker implements BatchMaker {
  readonly #dataset: Dataset;
  closed = false;

  constructor(dataset: Dataset) {
    this.#dataset = dataset;
  }

  async make(indices: readonly number[], epoch: number): Promise<BatchArrays | null> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.closed ? null : collate(this.#dataset, indices, epoch);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/**
 * Batches of a dataset, loaded ahead on worker threads, so that the device does not wait for them.
 *
 * `for await (const batch of loader)` runs from the loader's position to the end of the epoch; the next
 * loop runs the next epoch. Samples and their order depend on the seed, not on workers. One loop at a
 * time. Workers end with the loop: by `break`, an error, `return()`, or when its iterator is collected.
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
  /** The dataset. */
  readonly dataset: Dataset<S>;
  /** Samples per batch; the last batch of an epoch may have fewer. */
  readonly batchSize: number;
  /** Batches per epoch. */
  readonly batchesPerEpoch: number;
  readonly #shuffle: boolean;
  readonly #seed: number;
  readonly #workers: number;
  readonly #prefetch: number;
  readonly #device: Device | undefined;
  #position: LoaderPosition = { epoch: 0, batch: 0 };
  /** Maker of the loop that began last. */
  #active: BatchMaker | null = null;

  /** @throws ConvLSTMError ERR_OPTION for an unknown option, a value out of range, an empty dataset */
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
    this.#seed = checkSeed('seed', seed);
    if (workers !== 0) checkCount('workers', workers);
    if (workers > 0 && !dataset.source) {
      refuseOption('workers', '0 for a dataset without source', workers);
    }
    this.#workers = workers;
    this.#prefetch = checkCount('prefetch', options.prefetch ?? 2 * Math.max(1, workers));
    this.#device = options.device;
    const batches = dataset.length / batchSize;
    this.batchesPerEpoch = checkFlag('dropLast', dropLast)
      ? Math.floor(batches)
      : Math.ceil(batches);
    if (this.batchesPerEpoch === 0) {
      refuseOption('batchSize', `at most ${dataset.length} samples with dropLast`, batchSize);
    }
  }

  /** Position of the next batch, for checkpoints and `seek`. */
  get position(): LoaderPosition {
    return { ...this.#position };
  }

  /**
   * Moves to a position; loops that begin later start there.
   *
   * @throws ConvLSTMError ERR_OPTION for a position out of range
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

  /**
   * Iterates from the position to the end of its epoch.
   *
   * @throws ConvLSTMError ERR_OPTION from `next()` while another loop over this loader runs, ERR_IO when a
   *   worker ends, errors of samples
   */
  [Symbol.asyncIterator](): AsyncGenerator<Batch<S>, void> {
    return this.#iterate(this.#position.epoch + 1);
  }

  /** Iterates from the position on, epoch after epoch, without end; errors as of one epoch's loop. */
  endless(): AsyncGenerator<Batch<S>, void> {
    return this.#iterate(Infinity);
  }

  #after({ epoch, batch }: LoaderPosition): LoaderPosition {
    const last = batch + 1 === this.batchesPerEpoch;
    return last ? { epoch: epoch + 1, batch: 0 } : { epoch, batch: batch + 1 };
  }

  /** Order of an epoch's samples; a Fisher-Yates shuffle. */
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

  #iterate(endEpoch: number): AsyncGenerator<Batch<S>, void> {
    const maker: BatchMaker =
      this.#workers > 0
        ? new LoaderWorkers(this.dataset.source!, this.#workers)
        : new LocalMaker(this.dataset);
    const loop = this.#batches(maker, endEpoch);
    const end = loop.return.bind(loop);
    // A generator's own return() waits for a pending next(), which a slow sample can hold up for ever.
    loop.return = async (value) => {
      await maker.close();
      return end(value);
    };
    abandoned.register(loop, maker);
    return loop;
  }

  async *#batches(maker: BatchMaker, endEpoch: number): AsyncGenerator<Batch<S>, void> {
    if (this.#active && !this.#active.closed) {
      const message =
        'DataLoader: expected one loop at a time; end the first by break or return(), or make a second DataLoader';
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    this.#active = maker;
    const pending: Promise<BatchArrays | null>[] = [];
    let asked = this.position;
    let order = { epoch: asked.epoch, samples: this.#orderOf(asked.epoch) };
    const ask = () => {
      while (pending.length < this.#prefetch && asked.epoch < endEpoch) {
        const { epoch, batch } = asked;
        if (order.epoch !== epoch) order = { epoch, samples: this.#orderOf(epoch) };
        const first = batch * this.batchSize;
        const indices = [...order.samples.subarray(first, first + this.batchSize)];
        const making = maker.make(indices, epoch);
        making.catch(() => {}); // rejected where it is awaited; an abandoned loop awaits it no more
        pending.push(making);
        asked = this.#after(asked);
      }
    };
    try {
      let next = this.position;
      ask();
      while (pending.length > 0) {
        const arrays = await pending.shift()!;
        if (arrays === null) return;
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
