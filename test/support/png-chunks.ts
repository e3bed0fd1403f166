// Splits PNG files into chunks and joins them with valid checksums, so that mutations reach the decoder.
import { crc32 } from 'node:zlib';
import type { Mutator } from './mutate.js';

interface Chunk {
  type: string;
  data: Uint8Array;
}

const kSignatureBytes = 8;

function takeApart(png: Uint8Array): Chunk[] {
  const buffer = Buffer.from(png);
  const chunks: Chunk[] = [];
  for (let at = kSignatureBytes; at < buffer.length; ) {
    const length = buffer.readUInt32BE(at);
    const type = buffer.toString('latin1', at + 4, at + 8);
    chunks.push({ type, data: buffer.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function putTogether(signature: Uint8Array, chunks: readonly Chunk[]): Uint8Array {
  const parts = chunks.map(({ type, data }) => {
    const part = Buffer.alloc(12 + data.length);
    part.writeUInt32BE(data.length, 0);
    part.write(type, 4, 'latin1');
    part.set(data, 8);
    part.writeUInt32BE(crc32(part.subarray(4, 8 + data.length)), 8 + data.length);
    return part;
  });
  return Uint8Array.from(Buffer.concat([signature, ...parts]));
}

/** Changes the content, type, number or order of a file's chunks. */
export function mutatePng(mutator: Mutator, png: Uint8Array): Uint8Array {
  const chunks = takeApart(png);
  const at = mutator.below(chunks.length);
  const chunk = chunks[at]!;
  const kind = mutator.below(10);
  if (kind === 0) chunks.splice(at, 1);
  else if (kind === 1) chunks.splice(at, 0, chunk);
  else if (kind === 2) chunks.reverse();
  else if (kind === 3) {
    const types = ['IHDR', 'IDAT', 'IEND', 'PLTE', 'tRNS', 'gAMA', 'abcd', 'ABCD'];
    chunk.type = mutator.pick(types);
  } else if (kind === 4) {
    const half = chunk.data.length >> 1;
    chunks.splice(at, 1, { ...chunk, data: chunk.data.subarray(0, half) });
    chunks.splice(at + 1, 0, { ...chunk, data: chunk.data.subarray(half) });
  } else chunk.data = mutator.bytes(chunk.data);
  return putTogether(png.subarray(0, kSignatureBytes), chunks);
}
