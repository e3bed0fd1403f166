/** Worker thread of hdf5-thread.ts: decodes the files that it is sent, one at a time. */
import { parentPort } from 'node:worker_threads';
import { ConvLSTMError } from '../errors.js';
import { decodeHere } from './hdf5-decoder.js';
import type { DecodeReply, DecodeRequest } from './hdf5-thread.js';

async function answer({ name, bytes, options, limit }: DecodeRequest): Promise<DecodeReply> {
  try {
    return { decoded: await decodeHere(name, bytes, options, limit) };
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error(String(error));
    const code = error instanceof ConvLSTMError ? error.code : 'ERR_IO';
    return { failure: { message, code } };
  }
}

parentPort!.on('message', async (request: DecodeRequest) => {
  const reply = await answer(request);
  const arrays = 'decoded' in reply ? reply.decoded.images.map(({ data }) => data.buffer) : [];
  parentPort!.postMessage(reply, arrays as ArrayBuffer[]);
});
