import { type ByteSource, type FilePath, formatError, writeBytes } from './files.js';
import { checkNdArray, type NdArray, safeElementCount } from './nd-array.js';
import { bytesPerElement, decodeNumbers, encodeFloat32, type NumberType } from './numbers.js';
import { type RandomAccess, withRandomAccess } from './random-access.js';

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

/** Header of an `.npy` file. @internal */
export interface NpyHeader {
  type: NumberType;
  littleEndian: boolean;
  shape: number[];
  /** Distance of neighbours along each axis, elements. */
  strides: number[];
  /** Offset of the numbers in the file, bytes. */
  dataStart: number;
}

/** Bytes of the largest header read: NumPy's own limit is 10,000, but for long lists of fields. */
const kMaxHeader = 2 ** 20;

/** Strides of an array in C order, or in Fortran order: the first axis next to one another. */
function stridesOf(shape: readonly number[], fortran: boolean): number[] {
  const strides = shape.map(() => 1);
  const axes = fortran ? shape.keys() : [...shape.keys()].reverse();
  let stride = 1;
  for (const axis of axes) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Reads the header and checks that the file has the numbers it announces. @internal */
export async function readHeader({ name, size, read }: RandomAccess): Promise<NpyHeader> {
  const start = await read(0, Math.min(12, size));
  if (!isNpy(start) || start.length < 12) throw formatError(name, 'is not an .npy file');
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  const version = start[6]!;
  if (version < 1 || version > 3)
    throw formatError(name, `expected version 1 to 3, got ${version}`);
  const headerStart = version === 1 ? 10 : 12;
  const dataStart =
    headerStart + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataStart > size) throw formatError(name, 'header is longer than the file');
  if (dataStart > kMaxHeader) {
    throw formatError(name, `expected a header of at most ${kMaxHeader} bytes, got ${dataStart}`);
  }
  const text = Buffer.from(await read(headerStart, dataStart)).toString('latin1');
  const header = parseDictionary(name, text);

  const descr = header.get('descr')!.slice(1, -1);
  const type = kTypes.get(descr.slice(1));
  if (type === undefined || !'<>|'.includes(descr[0]!)) {
    throw formatError(name, `descr '${descr}' is not supported`);
  }
  const fortran = header.get('fortran_order')!;
  if (fortran !== 'True' && fortran !== 'False') {
    throw formatError(name, `fortran_order: expected True or False, got ${fortran}`);
  }
  const sizes = header.get('shape')!.slice(1, -1).split(',');
  const shape = sizes.filter((entry) => entry.trim() !== '').map(Number);
  const count = safeElementCount(shape);
  const expected = count === null ? Infinity : count * bytesPerElement(type);
  if (size - dataStart !== expected) {
    const got = size - dataStart;
    throw formatError(name, `[${shape}] of ${descr} takes ${expected} bytes, got ${got}`);
  }
  const strides = stridesOf(shape, fortran === 'True');
  return { type, littleEndian: descr[0] !== '>', shape, strides, dataStart };
}

/** Bytes decoded at a time: the file's numbers and their float32 are never in memory together. */
const kPartBytes = 2 ** 24;

/** Values `first` to `end`, counted in the file's order. @internal */
export async function readValues(
  file: RandomAccess,
  { type, littleEndian, dataStart }: NpyHeader,
  first: number,
  end: number,
): Promise<Float32Array> {
  const size = bytesPerElement(type);
  const values = new Float32Array(end - first);
  for (let at = first; at < end; ) {
    const stop = Math.min(end, at + kPartBytes / size);
    const bytes = await file.read(dataStart + at * size, dataStart + stop * size);
    values.set(decodeNumbers(type, bytes, littleEndian), at - first);
    at = stop;
  }
  return values;
}

/**
 * Copies a box between two orders of its axes.
 *
 * @param from begins at the box's first element; its neighbours along axis i lie `strides[i]` apart
 * @param first index of the box's first element in `into`, whose strides are `intoStrides`
 * @internal
 */
export function gather(
  from: Float32Array,
  strides: readonly number[],
  shape: readonly number[],
  into: Float32Array,
  intoStrides: readonly number[],
  first: number,
): void {
  const last = shape.length - 1;
  const walk = (axis: number, source: number, target: number): void => {
    const [step, to] = [strides[axis]!, intoStrides[axis]!];
    for (let i = 0; i < shape[axis]!; i++) {
      if (axis === last) into[target + i * to] = from[source + i * step]!;
      else walk(axis + 1, source + i * step, target + i * to);
    }
  };
  if (last < 0) into[first] = from[0]!;
  else walk(0, 0, first);
}

/**
 * Reads a NumPy array (`.npy`, format versions 1 to 3) as float32. Accepts floats of 2, 4 and 8 bytes,
 * integers of 1 to 8 bytes and booleans, either byte order, C and Fortran order; the result is in C order.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * const frames = await npy.load('frames.npy');   // { data, shape }
 * const x = Tensor.from(frames);
 * ```
 */
export function load(source: ByteSource): Promise<NdArray> {
  return withRandomAccess(source, loadFrom);
}

/** `load` of an open file. @internal */
export async function loadFrom(file: RandomAccess): Promise<NdArray> {
  const header = await readHeader(file);
  const { shape, strides } = header;
  const count = shape.reduce((product, size) => product * size, 1);
  const stored = await readValues(file, header, 0, count);
  const rowMajor = stridesOf(shape, false);
  const isRowMajor = strides.every((stride, axis) => stride === rowMajor[axis]);
  if (count === 0 || isRowMajor) return { data: stored, shape };
  const data = new Float32Array(count);
  gather(stored, strides, shape, data, rowMajor, 0);
  return { data, shape };
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
