import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { checkNames, refuseOption } from '../options.js';
import { type ByteSource, formatError, type ListedSource } from './files.js';
import type { NdArray } from './nd-array.js';
import * as npy from './npy.js';
import { type Access, type RandomAccess, withRandomAccess } from './random-access.js';

const inflate = promisify(inflateRaw);

/** Options of `load`. */
export interface NpzOptions {
  /** Name of the array, without `.npy`: `'arr_0'`. Default: the only one. */
  name?: string | undefined;
}

/** An array of the archive, by its entry in the central directory. */
interface Entry {
  /** Without `.npy`. */
  name: string;
  /** 0 stored, 8 deflated. */
  method: number;
  encrypted: boolean;
  checksum: number;
  /** Bytes in the file. */
  packed: number;
  /** Bytes of the `.npy` file. */
  size: number;
  /** Offset of the local header. */
  offset: number;
}

const kLocal = 0x04034b50;
const kCentral = 0x02014b50;
const kEnd = 0x06054b50;
const kEnd64 = 0x06064b50;
const kLocator64 = 0x07064b50;
/** Stands for a number that the ZIP64 field has. */
const kIn64 = 0xffffffff;

/** First bytes of a zip that begins with an entry. @internal */
export function isNpz(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The bytes `begin` to `end`, which a damaged file may claim beyond its end. */
async function readPart(file: RandomAccess, begin: number, end: number): Promise<DataView> {
  if (!(begin >= 0 && begin <= end && end <= file.size)) {
    throw formatError(file.name, `is a damaged zip: bytes ${begin} to ${end} of ${file.size}`);
  }
  return viewOf(await file.read(begin, end));
}

const big = (view: DataView, at: number) => Number(view.getBigUint64(at, true));

/** The central directory: the list of entries, which the end of the file locates. */
async function readDirectory(file: RandomAccess): Promise<DataView> {
  // 22 bytes, then a comment of at most 65535.
  const tailAt = Math.max(0, file.size - 22 - 65535);
  const tail = await readPart(file, tailAt, file.size);
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== kEnd) at--;
  if (at < 0)
    throw formatError(file.name, 'is not an .npz file, or cut short: it has no zip directory');
  let size = tail.getUint32(at + 12, true);
  let offset = tail.getUint32(at + 16, true);
  if (at >= 20 && tail.getUint32(at - 20, true) === kLocator64) {
    const end64At = big(tail, at - 20 + 8);
    const end64 = await readPart(file, end64At, end64At + 56);
    if (end64.getUint32(0, true) !== kEnd64) throw formatError(file.name, 'is a damaged ZIP64');
    [size, offset] = [big(end64, 40), big(end64, 48)];
  }
  return readPart(file, offset, offset + size);
}

/** Replaces the numbers that are in the ZIP64 field, which has them in this order. */
function readZip64(extra: DataView, numbers: number[]): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    const end = Math.min(at + 4 + extra.getUint16(at + 2, true), extra.byteLength);
    let next = at + 4;
    return numbers.map((number) => {
      if (number !== kIn64 || next + 8 > end) return number;
      next += 8;
      return big(extra, next - 8);
    });
  }
  return numbers;
}

async function readEntries(file: RandomAccess): Promise<Entry[]> {
  const directory = await readDirectory(file);
  const entries: Entry[] = [];
  for (let at = 0; at < directory.byteLength; ) {
    const fits = at + 46 <= directory.byteLength && directory.getUint32(at, true) === kCentral;
    const [nameBytes, extraBytes, commentBytes] = fits
      ? [28, 30, 32].map((field) => directory.getUint16(at + field, true))
      : [0, 0, 0];
    const nameAt = at + 46;
    const end = nameAt + nameBytes! + extraBytes! + commentBytes!;
    if (!fits || end > directory.byteLength) {
      throw formatError(file.name, `zip directory is damaged at entry ${entries.length}`);
    }
    const { buffer, byteOffset } = directory;
    const name = Buffer.from(buffer, byteOffset + nameAt, nameBytes).toString('utf8');
    const extra = new DataView(buffer, byteOffset + nameAt + nameBytes!, extraBytes);
    const numbers = [24, 20, 42].map((field) => directory.getUint32(at + field, true));
    const [size, packed, offset] = readZip64(extra, numbers) as [number, number, number];
    if (name.endsWith('.npy')) {
      entries.push({
        name: name.slice(0, -4),
        encrypted: (directory.getUint16(at + 8, true) & 1) === 1,
        method: directory.getUint16(at + 10, true),
        checksum: directory.getUint32(at + 16, true),
        size,
        packed,
        offset,
      });
    }
    at = end;
  }
  if (entries.length === 0) throw formatError(file.name, 'is a zip without .npy arrays');
  return entries;
}

/** Offset of an entry's bytes, which its local header locates. */
async function findData(file: RandomAccess, place: string, entry: Entry): Promise<number> {
  const local = await readPart(file, entry.offset, entry.offset + 30);
  if (local.getUint32(0, true) !== kLocal) throw formatError(place, 'zip entry is damaged');
  const begin = entry.offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  if (begin + entry.packed > file.size) throw formatError(place, 'is cut short');
  if (entry.encrypted) throw formatError(place, 'is encrypted');
  return begin;
}

async function inflateEntry(file: RandomAccess, place: string, begin: number, entry: Entry) {
  const packed = await file.read(begin, begin + entry.packed);
  try {
    // The claimed size is a limit, so that a small file cannot take all memory.
    return await inflate(packed, { maxOutputLength: Math.max(entry.size, 1) });
  } catch (error) {
    throw formatError(place, `cannot be inflated to the ${entry.size} bytes that it claims`, error);
  }
}

const kPartBytes = 2 ** 24;

async function checkEntry(file: RandomAccess, place: string, entry: Entry): Promise<void> {
  let checksum = 0;
  for (let at = 0; at < file.size; at += kPartBytes) {
    checksum = crc32(await file.read(at, Math.min(file.size, at + kPartBytes)), checksum);
  }
  if (file.size !== entry.size || checksum !== entry.checksum) {
    throw formatError(place, 'checksum or size differs: the file is damaged');
  }
}

const inMemory = (name: string, bytes: Uint8Array): RandomAccess => ({
  name,
  size: bytes.length,
  read: async (begin, end) => bytes.subarray(begin, end),
});

/**
 * Opens the `.npy` file of one array, checksum included. A stored one is read by offset; a deflated one
 * is inflated as a whole, which `keep` may remember.
 *
 * @param array its name, or undefined for the only one
 * @internal
 */
export async function openEntry(
  source: ListedSource,
  array: string | undefined,
  keep: (inflate: () => Promise<Uint8Array>) => Promise<Uint8Array>,
): Promise<Access> {
  const within: Access = (use) => withRandomAccess(source, use);
  const { entry, begin, place } = await within(async (file) => {
    const chosen = choose(file, await readEntries(file), array);
    const name = `${file.name}: ${chosen.name}`;
    return { entry: chosen, begin: await findData(file, name, chosen), place: name };
  });
  if (entry.method !== 0 && entry.method !== 8) {
    throw formatError(place, `expected stored or deflated data, got zip method ${entry.method}`);
  }
  const access: Access = (use) =>
    entry.method === 8
      ? keep(() => within((file) => inflateEntry(file, place, begin, entry))).then((bytes) =>
          use(inMemory(place, bytes)),
        )
      : within(({ read }) => {
          const part = (from: number, to: number) => read(begin + from, begin + to);
          return use({ name: place, size: entry.packed, read: part });
        });
  await access((file) => checkEntry(file, place, entry));
  return access;
}

function choose(file: RandomAccess, entries: readonly Entry[], name: string | undefined): Entry {
  const names = entries.map((entry) => entry.name).join(', ');
  if (name === undefined) {
    if (entries.length === 1) return entries[0]!;
    const message = `expected one array, got ${entries.length}: ${names}; name one`;
    throw formatError(file.name, `${message}: npz.load(file, { name: '${entries[0]!.name}' })`);
  }
  const found = entries.filter((entry) => entry.name === name);
  if (found.length === 1) return found[0]!;
  const problem = found.length === 0 ? 'has no array' : 'has more than one array';
  throw formatError(file.name, `${problem} '${name}'; it has ${names}`);
}

/**
 * Names of the arrays in an `.npz` file, in its order.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * await npz.names('sequences.npz'); // ['clips', 'input_raw_data']
 * ```
 */
export function names(source: ByteSource): Promise<string[]> {
  return withRandomAccess(source, async (file) =>
    (await readEntries(file)).map((entry) => entry.name),
  );
}

/**
 * Reads one array of an `.npz` file (`np.savez`, `np.savez_compressed`) as float32, as `npy.load` does. Of
 * a large file, only that array is read.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, for several arrays without a `name`, or none of
 *   that name; ERR_IO for a file that cannot be read; ERR_OPTION
 * @example
 * ```ts
 * const { data, shape } = await npz.load('sequences.npz', { name: 'input_raw_data' });
 * ```
 */
export async function load(source: ByteSource, options: NpzOptions = {}): Promise<NdArray> {
  checkNames('npz.load', options, { name: true });
  const { name } = options;
  if (name !== undefined && typeof name !== 'string') refuseOption('name', 'a string', name);
  let inflated: Promise<Uint8Array> | undefined;
  const access = await openEntry(source, name, (run) => (inflated ??= run()));
  return access(npy.loadFrom);
}
