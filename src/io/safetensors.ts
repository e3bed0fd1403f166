import { ConvLSTMError } from '../errors.js';
import { checkNames, refuseOption } from '../options.js';
import { Tensor } from '../tensor/tensor.js';
import { type ByteSource, type FilePath, writeAll, writeAtomically } from './files.js';
import { checkNdArray, type NdArray, safeElementCount } from './nd-array.js';
import { decodeNumbers, encodeFloat32, type NumberType } from './numbers.js';
import type { SafetensorsHeader, TensorEntry } from './safetensors-header.js';
import { eachFile } from './safetensors-index.js';

export type { SafetensorsHeader, TensorEntry } from './safetensors-header.js';

/** Content of a safetensors file. */
export interface SafetensorsContent {
  /** Tensors by name, in the order of the file; an object without a prototype. */
  tensors: Record<string, Tensor>;
  /** Metadata; empty if the file has none. An object without a prototype. */
  metadata: Record<string, string>;
  /**
   * Tensors that were not read, because their type is none of floating point: integers, booleans, 4- and
   * 6-bit floats. BatchNorm's `num_batches_tracked` is one.
   */
  skipped: TensorEntry[];
}

/** Options of `save`. */
export interface SaveOptions {
  /** Strings saved with the tensors; none by default. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

const kReadable: ReadonlySet<string> = new Set<NumberType>([
  ...(['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'] as const),
]);

/** Options of `read` and `load`. */
export interface ReadOptions {
  /** Prefix of the tensors to read, `'encoder.'` say; the others' bytes are not read. Default: all. */
  prefix?: string | undefined;
}

/** Tensors that `read` left out, by its result. */
const kSkipped = new WeakMap<object, Map<string, string>>();

/**
 * Type of a tensor that `read` left out of `tensors` for its type; undefined for any other.
 *
 * @internal
 */
export function skippedType(tensors: object, name: string): string | undefined {
  return kSkipped.get(tensors)?.get(name);
}

/** The types that `read` reads. @internal */
export const kReadableNames = [...kReadable].join(', ');

/**
 * Reads names, types and shapes of the tensors in a safetensors file, and its metadata, but no values.
 * Lists all types. The path of a sharded model's index (`model.safetensors.index.json`) gives the tensors
 * of all shards, each with the offsets in its shard.
 *
 * @throws ConvLSTMError ERR_FORMAT for a file that breaks the format, which names what the file is
 *   instead; ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * const { tensors } = await safetensors.readHeader('weights.safetensors');
 * for (const { name, dtype, shape } of tensors) console.log(name, dtype, shape);
 * ```
 */
export async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const all: SafetensorsHeader = { tensors: [], metadata: Object.create(null) };
  await eachFile(source, async ({ header }) => {
    for (const entry of header.tensors) all.tensors.push(entry);
    Object.assign(all.metadata, header.metadata);
  });
  return all;
}

/**
 * Reads tensors and metadata of a safetensors file or of its bytes. F64, F32, F16, BF16, F8_E4M3 and
 * F8_E5M2 become float32; tensors of other types are listed in `skipped`. Reads one tensor at a time by
 * its offset, so that a file may be larger than memory where `prefix` takes a part of it. The path of a
 * sharded model's index (`model.safetensors.index.json`) reads the shards beside it.
 *
 * @throws ConvLSTMError ERR_FORMAT for a file that breaks the format, which names what the file is
 *   instead; ERR_IO for a file that cannot be read; ERR_OPTION
 * @example
 * ```ts
 * const { tensors, skipped } = await safetensors.read('model.safetensors', { prefix: 'encoder.' });
 * for (const { name, dtype } of skipped) console.log(`${name} is ${dtype}: not read`);
 * ```
 */
export async function read(
  source: ByteSource,
  options: ReadOptions = {},
): Promise<SafetensorsContent> {
  checkNames('safetensors.read', options, { prefix: true });
  const { prefix = '' } = options;
  if (typeof prefix !== 'string') refuseOption('prefix', 'a string', prefix);
  const tensors: Record<string, Tensor> = Object.create(null);
  const metadata: Record<string, string> = Object.create(null);
  const skipped: TensorEntry[] = [];
  try {
    await eachFile(source, async ({ file, header, dataStart }) => {
      Object.assign(metadata, header.metadata);
      for (const entry of header.tensors) {
        const { name, dtype, shape, begin, end } = entry;
        if (!name.startsWith(prefix)) continue;
        if (kReadable.has(dtype)) {
          const bytes = await file.read(dataStart + begin, dataStart + end);
          tensors[name] = Tensor.from(decodeNumbers(dtype as NumberType, bytes), shape);
        } else {
          skipped.push(entry);
        }
      }
    });
  } catch (error) {
    for (const tensor of Object.values(tensors)) tensor.dispose();
    throw error;
  }
  kSkipped.set(tensors, new Map(skipped.map(({ name, dtype }) => [name, dtype])));
  return { tensors, metadata, skipped };
}

/**
 * Reads the tensors of a safetensors file or of its bytes, by name: `read` without the metadata. Names
 * keep their prefix.
 *
 * @throws ConvLSTMError as `read` does
 * @example
 * ```ts
 * net.loadStateDict(await safetensors.load('weights.safetensors'));
 *
 * const encoder = await safetensors.load('model.safetensors', { prefix: 'encoder.' });
 * net.loadStateDict(encoder, { prefix: 'encoder.' });
 * ```
 */
export async function load(
  source: ByteSource,
  options?: ReadOptions,
): Promise<Record<string, Tensor>> {
  return (await read(source, options)).tensors;
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
