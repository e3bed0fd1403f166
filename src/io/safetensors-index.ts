import { dirname, join } from 'node:path';
import { ConvLSTMError } from '../errors.js';
import { type ByteSource, formatError, isFilePath } from './files.js';
import { type RandomAccess, withRandomAccess } from './random-access.js';
import { kRecognisedBytes, recognise } from './recognise.js';
import {
  checkHeaderLength,
  isObject,
  kMaxHeaderBytes,
  parseHeader,
  quote,
  type SafetensorsHeader,
} from './safetensors-header.js';

/** An open safetensors file. @internal */
export interface OpenFile {
  file: RandomAccess;
  header: SafetensorsHeader;
  /** Offset of the data section, bytes. */
  dataStart: number;
}

/** @throws ConvLSTMError ERR_FORMAT that names what the content is, if it is known and no safetensors */
function headerLength(file: RandomAccess, head: Uint8Array): number {
  try {
    if (file.size < 8) {
      throw formatError(file.name, `expected a header of at least 8 bytes, got ${file.size}`);
    }
    const claimed = new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true);
    const length = checkHeaderLength(file.name, claimed, file.size);
    if (head[8] !== 0x7b) throw formatError(file.name, 'header does not begin with {');
    return length;
  } catch (error) {
    const kind = recognise(head);
    if (kind === null) throw error;
    const { what, remedy } = kind;
    throw formatError(file.name, `expected a safetensors file, got ${what}: ${remedy}`, error);
  }
}

async function openFile(file: RandomAccess): Promise<OpenFile> {
  const head = await file.read(0, Math.min(file.size, kRecognisedBytes));
  const dataStart = 8 + headerLength(file, head);
  const header = parseHeader(file.name, await file.read(8, dataStart), file.size - dataStart);
  return { file, header, dataStart };
}

/** Shards by name, each with the tensors that the index places there. */
function parseIndex(source: string, bytes: Uint8Array): Map<string, Set<string>> | null {
  let index: unknown;
  try {
    index = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
  const map = isObject(index) ? index['weight_map'] : undefined;
  if (!isObject(map)) return null;
  const shards = new Map<string, Set<string>>();
  for (const [name, shard] of Object.entries(map)) {
    const inFolder =
      typeof shard === 'string' && /^[^/\\:\0]+$/.test(shard) && !/^\.+$/.test(shard);
    if (!inFolder) {
      const message = `weight_map: ${quote(name)}: expected the name of a file in the index's folder`;
      throw formatError(source, message);
    }
    const names = shards.get(shard) ?? new Set();
    shards.set(shard, names.add(name));
  }
  return shards;
}

/** The shards if `path` has the JSON index of a sharded model, else null. */
async function readIndex(file: RandomAccess): Promise<Map<string, Set<string>> | null> {
  // No header of safetensors has a length whose bytes begin with {, a quote or a blank.
  const head = Buffer.from(await file.read(0, Math.min(file.size, 64))).toString('latin1');
  if (!/^\{\s*"/.test(head) || file.size > kMaxHeaderBytes) return null;
  return parseIndex(file.name, await file.read(0, file.size));
}

/** Calls `use` with the shard's header cut down to the tensors in `names`. */
async function useShard(
  index: string,
  shard: string,
  names: ReadonlySet<string>,
  use: (open: OpenFile) => Promise<void>,
): Promise<void> {
  const path = join(dirname(index), shard);
  await withRandomAccess(path, async (file) => {
    const open = await openFile(file);
    const tensors = open.header.tensors.filter(({ name }) => names.has(name));
    if (tensors.length < names.size) {
      const found = new Set(tensors.map(({ name }) => name));
      const missing = [...names].find((name) => !found.has(name))!;
      throw formatError(path, `has no tensor ${quote(missing)}, which ${index} places there`);
    }
    await use({ ...open, header: { ...open.header, tensors } });
  });
}

/**
 * Opens a safetensors file, or one after another the shards of an index (`model.safetensors.index.json`)
 * with the tensors that the index places in each.
 *
 * @throws ConvLSTMError ERR_FORMAT, ERR_IO
 * @internal
 */
export async function eachFile(
  source: ByteSource,
  use: (open: OpenFile) => Promise<void>,
): Promise<void> {
  const [index, shards] = await withRandomAccess(source, async (file) => {
    const listed = isFilePath(source) ? await readIndex(file) : null;
    if (listed === null) await use(await openFile(file));
    return [file.name, listed] as const;
  });
  for (const [shard, names] of shards ?? []) {
    try {
      await useShard(index, shard, names, use);
    } catch (error) {
      if (!(error instanceof ConvLSTMError) || error.code !== 'ERR_IO') throw error;
      const message = `${index}: cannot read a shard: ${error.message}`;
      throw new ConvLSTMError('ERR_IO', message, { cause: error });
    }
  }
}
