import { type FileHandle, open } from 'node:fs/promises';
import { ConvLSTMError } from '../errors.js';
import { checkNames, refuseOption } from '../options.js';
import { Tensor } from '../tensor/tensor.js';
import {
  type ByteSource,
  type FilePath,
  formatError,
  ioError,
  isFilePath,
  sourceName,
  toBytes,
  toPath,
  writeAll,
  writeAtomically,
} from './files.js';
import { checkNdArray, type NdArray, safeElementCount } from './nd-array.js';
import { decodeNumbers, encodeFloat32, type NumberType } from './numbers.js';
import {
  checkHeaderLength,
  parseHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.js';

export type { SafetensorsHeader, TensorEntry } from './safetensors-header.js';

/** Content of a safetensors file. */
export interface SafetensorsContent {
  /** Tensors by name, in the order of the file; an object without a prototype. */
  tensors: Record<string, Tensor>;
  /** Metadata; empty if the file has none. An object without a prototype. */
  metadata: Record<string, string>;
}

/** Options of `save`. */
export interface SaveOptions {
  /** Strings saved with the tensors; none by default. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

const kReadable: ReadonlySet<string> = new Set<NumberType>(['F32', 'F16', 'BF16', 'F64']);

/** Random access to a file or to bytes in memory. */
interface Reader {
  name: string;
  size: number;
  read(begin: number, end: number): Promise<Uint8Array>;
}

async function withReader<T>(source: ByteSource, use: (reader: Reader) => Promise<T>): Promise<T> {
  if (!isFilePath(source)) {
    const bytes = toBytes(source);
    return use({
      name: sourceName(source),
      size: bytes.length,
      read: async (begin, end) => bytes.subarray(begin, end),
    });
  }
  const path = toPath(source);
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const handle = file;
    const info = await handle.stat();
    if (!info.isFile()) throw new ConvLSTMError('ERR_IO', `${path}: is not a regular file`);
    const read = async (begin: number, end: number) => {
      const bytes = new Uint8Array(end - begin);
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, { offset: done, position: begin + done });
        if (bytesRead === 0) throw formatError(path, 'was cut short while it was read');
        done += bytesRead;
      }
      return bytes;
    };
    return await use({ name: path, size: info.size, read });
  } catch (error) {
    throw ioError('read', path, error);
  } finally {
    await file?.close();
  }
}

/** The header, and the offset of the data section in bytes. */
async function readHeaderFrom(reader: Reader): Promise<[SafetensorsHeader, number]> {
  if (reader.size < 8)
    throw formatError(reader.name, `expected a header of at least 8 bytes, got ${reader.size}`);
  const start = await reader.read(0, 8);
  const claimed = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  const dataStart = 8 + checkHeaderLength(reader.name, claimed, reader.size);
  const bytes = await reader.read(8, dataStart);
  return [parseHeader(reader.name, bytes, reader.size - dataStart), dataStart];
}

async function readTensor(reader: Reader, dataStart: number, entry: TensorEntry): Promise<Tensor> {
  const bytes = await reader.read(dataStart + entry.begin, dataStart + entry.end);
  return Tensor.from(decodeNumbers(entry.dtype as NumberType, bytes), entry.shape);
}

/**
 * Reads names, types and shapes of the tensors in a safetensors file, and its metadata, but no values.
 * Accepts all types of the format.
 *
 * @throws ConvLSTMError ERR_FORMAT for a file that breaks the format, ERR_IO for a file that cannot be
 *   read
 * @example
 * ```ts
 * const { tensors } = await safetensors.readHeader('weights.safetensors');
 * for (const { name, dtype, shape } of tensors) console.log(name, dtype, shape);
 * ```
 */
export function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  return withReader(source, async (reader) => (await readHeaderFrom(reader))[0]);
}

/**
 * Reads tensors and metadata of a safetensors file or of its bytes. F32, F16, BF16 and F64 become
 * float32. Holds the bytes of one tensor at a time beside the tensors.
 *
 * @throws ConvLSTMError ERR_FORMAT for a file that breaks the format, ERR_DTYPE for a tensor of any
 *   other type, ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * const { tensors, metadata } = await safetensors.read('weights.safetensors');
 * ```
 */
export function read(source: ByteSource): Promise<SafetensorsContent> {
  return withReader(source, async (reader) => {
    const [header, dataStart] = await readHeaderFrom(reader);
    for (const { name, dtype } of header.tensors) {
      if (!kReadable.has(dtype)) {
        const expected = [...kReadable].join(', ');
        const message = `${reader.name}: ${name}: expected ${expected}, got ${dtype}`;
        throw new ConvLSTMError('ERR_DTYPE', message);
      }
    }
    const tensors: Record<string, Tensor> = Object.create(null);
    try {
      for (const entry of header.tensors) {
        tensors[entry.name] = await readTensor(reader, dataStart, entry);
      }
    } catch (error) {
      for (const tensor of Object.values(tensors)) tensor.dispose();
      throw error;
    }
    return { tensors, metadata: header.metadata };
  });
}

/**
 * Reads the tensors of a safetensors file or of its bytes, by name: `read` without the metadata.
 *
 * @throws ConvLSTMError as `read` does
 * @example
 * ```ts
 * net.loadStateDict(await safetensors.load('weights.safetensors'));
 * ```
 */
export async function load(source: ByteSource): Promise<Record<string, Tensor>> {
  return (await read(source)).tensors;
}

function encodeHeader(
  tensors: Iterable<[string, { shape: readonly number[] }]>,
  metadata: SaveOptions['metadata'],
): Uint8Array {
  const header: Record<string, unknown> = Object.create(null);
  if (metadata !== undefined) {
    if (typeof metadata !== 'object' || metadata === null) {
      refuseOption('metadata', 'strings by name', metadata);
    }
    for (const [key, value] of Object.entries(metadata)) {
      if (typeof value !== 'string') {
        refuseOption(`metadata: ${key}`, 'a string', value);
      }
    }
    header['__metadata__'] = metadata;
  }
  let end = 0;
  for (const [name, { shape }] of tensors) {
    if (name === '__metadata__') {
      throw new ConvLSTMError('ERR_STATE_DICT', '__metadata__ is reserved: expected another name');
    }
    const begin = end;
    end += 4 * safeElementCount(shape)!;
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(json, 8);
  return bytes;
}

/** A value that `save` accepts: a tensor, or values with their shape. */
export type Savable = Tensor | Readonly<NdArray>;

/**
 * Writes tensors by name as float32, to a file, or to bytes if `path` is null. The file replaces an
 * older one only when it is complete and on disk.
 *
 * @throws ConvLSTMError ERR_SHAPE for a shape of another number of elements, ERR_DTYPE for elements
 *   other than float32, ERR_OPTION for anything but tensors or arrays, ERR_IO for a file that cannot be
 *   written
 * @example
 * ```ts
 * await safetensors.save('weights.safetensors', net.stateDict(), { metadata: { epoch: '12' } });
 * const bytes = await safetensors.save(null, net.stateDict());
 * ```
 */
export function save(
  path: FilePath,
  stateDict: Readonly<Record<string, Savable>>,
  options?: SaveOptions,
): Promise<void>;
export function save(
  path: null,
  stateDict: Readonly<Record<string, Savable>>,
  options?: SaveOptions,
): Promise<Uint8Array>;
export async function save(
  path: FilePath | null,
  stateDict: Readonly<Record<string, Savable>>,
  options: SaveOptions = {},
): Promise<unknown> {
  checkNames('safetensors.save', options, { metadata: true });
  if (typeof stateDict !== 'object' || stateDict === null) {
    refuseOption('safetensors.save', 'tensors by name', stateDict);
  }
  const entries = Object.entries(stateDict);
  for (const [name, value] of entries) if (!(value instanceof Tensor)) checkNdArray(name, value);
  const header = encodeHeader(entries, options.metadata);
  async function* chunks() {
    yield header;
    for (const [, value] of entries) {
      yield encodeFloat32(value instanceof Tensor ? await value.data() : value.data);
    }
  }
  if (path !== null) {
    return writeAtomically(path, async (file) => {
      for await (const chunk of chunks()) await writeAll(file, chunk);
    });
  }
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks()) parts.push(chunk);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}
