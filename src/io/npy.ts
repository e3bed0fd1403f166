import { type FileHandle, open } from 'node:fs/promises';
import {
  type ByteSource,
  type FilePath,
  formatError,
  ioError,
  readBytes,
  sourceName,
  writeBytes,
} from './files.js';
import { checkNdArray, type NdArray, safeElementCount } from './nd-array.js';
import { bytesPerElement, decodeNumbers, encodeFloat32, type NumberType } from './numbers.js';

const kMagic = '\x93NUMPY';

const kTypes: ReadonlyMap<string, NumberType> = new Map([
  ['f8', 'F64'],
  ['f4', 'F32'],
  ['f2', 'F16'],
  ['i8', 'I64'],
  ['u8', 'U64'],
  ['i4', 'I32'],
  ['u4', 'U32'],
  ['i2', 'I16'],
  ['u2', 'U16'],
  ['i1', 'I8'],
  ['u1', 'U8'],
  ['b1', 'U8'],
]);

/** @internal */
export function isNpy(bytes: Uint8Array): boolean {
  return (
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', 0, 6) === kMagic
  );
}

/** Parses the header's Python dictionary: the text of its three entries. */
function parseDictionary(name: string, text: string): Map<string, string> {
  const entries = new Map<string, string>();
  const body = /^\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) throw formatError(name, 'header is not a dictionary');
  const entry =
    /\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\d, ]*\))\s*(?:,|$)\s*/y;
  while (entry.lastIndex < body.length) {
    const at = entry.lastIndex;
    const match = entry.exec(body);
    if (match === null || entries.has(match[1]!)) {
      throw formatError(name, `header is invalid at ${JSON.stringify(body.slice(at, at + 40))}`);
    }
    entries.set(match[1]!, match[2]!);
  }
  for (const key of ['descr', 'fortran_order', 'shape']) {
    if (!entries.has(key)) throw formatError(name, `header has no '${key}'`);
  }
  return entries;
}

/** Header of an `.npy` file. */
interface NpyHeader {
  type: NumberType;
  littleEndian: boolean;
  shape: number[];
  /** Offset of the numbers in the file, bytes. */
  dataStart: number;
}

/** Parses the header in `bytes`, the beginning of a file of `fileBytes` bytes. */
function parseHeader(name: string, bytes: Uint8Array, fileBytes: number): NpyHeader {
  if (!isNpy(bytes) || bytes.length < 12) throw formatError(name, 'is not an .npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = bytes[6]!;
  if (version < 1 || version > 3)
    throw formatError(name, `expected version 1 to 3, got ${version}`);
  const headerStart = version === 1 ? 10 : 12;
  const dataStart =
    headerStart + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataStart > bytes.length) throw formatError(name, 'header is longer than the file');
  const text = Buffer.from(bytes.subarray(headerStart, dataStart)).toString('latin1');
  const header = parseDictionary(name, text);

  if (header.get('fortran_order') !== 'False') {
    throw formatError(name, 'fortran_order is not supported: save np.ascontiguousarray(x)');
  }
  const descr = header.get('descr')!.slice(1, -1);
  const type = kTypes.get(descr.slice(1));
  if (type === undefined || !'<>|'.includes(descr[0]!)) {
    throw formatError(name, `descr '${descr}' is not supported`);
  }
  const sizes = header.get('shape')!.slice(1, -1).split(',');
  const shape = sizes.filter((size) => size.trim() !== '').map(Number);
  const count = safeElementCount(shape);
  const expected = count === null ? Infinity : count * bytesPerElement(type);
  if (fileBytes - dataStart !== expected) {
    const got = fileBytes - dataStart;
    throw formatError(name, `[${shape}] of ${descr} takes ${expected} bytes, got ${got}`);
  }
  return { type, littleEndian: descr[0] !== '>', shape, dataStart };
}

/** Bytes that `readShape` reads: any header of version 1, and in practice of versions 2 and 3. */
const kHeadBytes = 12 + 2 ** 16;

/** Shape of the array in a file, without its numbers; null for other files. @internal */
export async function readShape(path: string): Promise<number[] | null> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(new Uint8Array(kHeadBytes));
    const bytes = buffer.subarray(0, bytesRead);
    return isNpy(bytes) ? parseHeader(path, bytes, size).shape : null;
  } catch (error) {
    throw ioError('read', path, error);
  } finally {
    await file?.close();
  }
}

/** Decodes bytes; `name` is their name in messages. @internal */
export function decode(name: string, bytes: Uint8Array): NdArray {
  const { type, littleEndian, shape, dataStart } = parseHeader(name, bytes, bytes.length);
  const numbers = new Uint8Array(bytes.subarray(dataStart));
  return { data: decodeNumbers(type, numbers, littleEndian), shape };
}

/**
 * Reads a NumPy array (`.npy`, format versions 1 to 3) as float32. Accepts floats of 2, 4 and 8 bytes,
 * integers of 1 to 8 bytes and booleans, either byte order, C order only.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * const frames = await npy.load('frames.npy');   // { data, shape }
 * const x = Tensor.from(frames);
 * ```
 */
export async function load(source: ByteSource): Promise<NdArray> {
  return decode(sourceName(source), await readBytes(source));
}

/**
 * Encodes an array as an `.npy` file (version 1, `<f4`, C order).
 *
 * @throws ConvLSTMError ERR_SHAPE for a shape of another number of elements, ERR_DTYPE for elements
 *   other than float32, ERR_OPTION for anything but an array
 * @example
 * ```ts
 * process.stdout.write(npy.encode({ data: new Float32Array(6), shape: [2, 3] }));
 * ```
 */
export function encode(array: Readonly<NdArray>): Uint8Array {
  checkNdArray('array', array);
  const { data, shape } = array;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const headerBytes = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const bytes = new Uint8Array(10 + headerBytes + 4 * data.length);
  bytes.set(Buffer.from(kMagic, 'latin1'));
  bytes[6] = 1;
  new DataView(bytes.buffer).setUint16(8, headerBytes, true);
  bytes.set(Buffer.from(`${dictionary.padEnd(headerBytes - 1)}\n`, 'latin1'), 10);
  bytes.set(encodeFloat32(data), 10 + headerBytes);
  return bytes;
}

/**
 * Writes an array as an `.npy` file of float32.
 *
 * @throws ConvLSTMError as `encode` does, and ERR_IO for a file that cannot be written
 * @example
 * ```ts
 * await npy.save('forecast.npy', { data: await forecast.data(), shape: [...forecast.shape] });
 * ```
 */
export async function save(path: FilePath, array: Readonly<NdArray>): Promise<void> {
  await writeBytes(path, encode(array));
}
