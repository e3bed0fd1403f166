/** Worker thread of `DataLoader`: makes its own copy of the dataset and replies with batches. */
import { parentPort, workerData } from 'node:worker_threads';
import { ConvLSTMError } from '../errors.js';
import { collate, type Dataset } from './dataset.js';
import type { BatchReply, BatchRequest } from './loader-workers.js';

type DatasetModule = { default?: (options: unknown) => Dataset | Promise<Dataset> };

const { module, options } = workerData as { module: string; options: unknown };

async function load(): Promise<DatasetModule> {
  try {
    return (await import(module)) as DatasetModule;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `source.module: cannot load ${module}: ${reason}`;
    throw new ConvLSTMError('ERR_IO', message, { cause });
  }
}

async function open(): Promise<Dataset> {
  const { default: make } = await load();
  const dataset = typeof make === 'function' ? await make(options) : undefined;
  if (typeof dataset?.get === 'function') return dataset;
  const message = `source.module: ${module} has no default export that makes a dataset { length, get }`;
  throw new ConvLSTMError('ERR_OPTION', message);
}

let dataset: Promise<Dataset> | undefined;

async function answer({ id, indices, epoch }: BatchRequest): Promise<BatchReply> {
  try {
    dataset ??= open();
    return { id, batch: await collate(await dataset, indices, epoch) };
  } catch (error) {
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    const code = error instanceof ConvLSTMError ? error.code : 'ERR_IO';
    return { id, failure: { message, code, stack } };
  }
}

parentPort!.on('message', async (request: BatchRequest) => {
  const reply = await answer(request);
  const arrays = 'batch' in reply ? Object.values(reply.batch) : [];
  parentPort!.postMessage(
    reply,
    arrays.map(({ data }) => data.buffer),
  );
});
