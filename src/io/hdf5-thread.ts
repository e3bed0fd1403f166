import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { ConvLSTMError, type ErrorCode } from '../errors.js';
import { warnOnce } from '../warn.js';
import { formatError } from './files.js';
import { type Decoded, decodeHere } from './hdf5-decoder.js';
import type { RadarComposite, RadarOptions } from './knmi.js';

/** Message to the worker. */
export interface DecodeRequest {
  name: string;
  bytes: Uint8Array;
  options: RadarOptions;
  limit: number;
}

/** Reply of the worker. Errors are sent as text: structured clone drops their class and fields. */
export type DecodeReply = { decoded: Decoded } | { failure: { message: string; code: ErrorCode } };

/** Milliseconds that a file may take, and more for each MiB. A 765x700 composite takes some 30. */
const kMostMs = 10_000;
const kMostMsPerMiB = 1_000;

/** Null without a file beside this one: in a bundle, or from the sources. */
function workerFile(): URL | null {
  try {
    const url = new URL('./hdf5-worker.js', import.meta.url);
    return existsSync(url) ? url : null;
  } catch {
    return null;
  }
}

/** What ends the wait for a file: its images, or an error. */
type Settle = (result: Decoded | ConvLSTMError) => void;

/** A worker, and who waits for its reply; null between files. */
class Decoder {
  readonly #worker: Worker;
  #settle: Settle | null = null;
  #ended = false;

  constructor(file: URL) {
    this.#worker = new Worker(file, { execArgv: [] }); // --input-type would refuse a file
    this.#worker.unref();
    this.#worker.on('message', (reply: DecodeReply) => {
      this.#finish('decoded' in reply ? reply.decoded : failure(reply.failure));
    });
    this.#worker.on('error', (cause) => this.#end('its decoder failed', cause));
    this.#worker.on('exit', () => this.#end('its decoder ended'));
  }

  get ended(): boolean {
    return this.#ended;
  }

  decode(request: DecodeRequest): Promise<Decoded> {
    const most = kMostMs + (request.bytes.length / 2 ** 20) * kMostMsPerMiB;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#end(`decoding took longer than ${Math.round(most / 1000)} s`),
        most,
      );
      this.#settle = (result) => {
        clearTimeout(timer);
        this.#worker.unref(); // does not keep the process alive between files
        if (!(result instanceof ConvLSTMError)) resolve(result);
        else if (!this.#ended) reject(result);
        else reject(formatError(request.name, `is a damaged HDF5 file: ${result.message}`, result));
      };
      this.#worker.ref();
      this.#worker.postMessage(request);
    });
  }

  #finish(result: Decoded | ConvLSTMError): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(result);
  }

  #end(problem: string, cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    void this.#worker.terminate();
    this.#finish(new ConvLSTMError('ERR_FORMAT', problem, { cause }));
  }
}

const failure = ({ code, message }: { code: ErrorCode; message: string }) =>
  new ConvLSTMError(code, message);

let decoder: Decoder | null = null;

function ask(file: URL, request: DecodeRequest): Promise<Decoded> {
  if (decoder === null || decoder.ended) decoder = new Decoder(file);
  return decoder.decode(request);
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Decodes the first `limit` images of bytes, one file after another, on a worker thread that is ended
 * when a file takes too long. Where its file is absent, in bundles, this thread decodes.
 *
 * @throws ConvLSTMError ERR_FORMAT, ERR_IO without h5wasm
 */
export async function decode(
  name: string,
  bytes: Uint8Array,
  options: RadarOptions,
  limit: number,
): Promise<RadarComposite[]> {
  const file = workerFile();
  const decoded =
    file === null
      ? decodeHere(name, bytes, options, limit)
      : last.then(() => ask(file, { name, bytes, options, limit }));
  last = decoded.catch(() => {});
  const { images, warnings } = await decoded;
  for (const warning of warnings) warnOnce('CONVLSTM_RADAR', warning);
  return images;
}
