import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ConvLSTMError } from '../errors.js';
import {
  type ByteSource,
  formatError,
  ioError,
  isFilePath,
  readBytes,
  sourceName,
  toPath,
} from './files.js';
import * as hdf5 from './hdf5.js';
import type { NdArray } from './nd-array.js';
import * as npy from './npy.js';
import * as pgm from './pgm.js';
import * as png from './png.js';

/** [T, C, H, W], from the shape [H, W], [T, H, W] or [T, C, H, W] of an array of frames. */
function sequenceShape(name: string, shape: readonly number[]): number[] {
  if (shape.length < 2 || shape.length > 4 || shape.includes(0)) {
    throw formatError(name, `expected [H, W], [T, H, W] or [T, C, H, W], got [${shape}]`);
  }
  if (shape.length === 4) return [...shape];
  return [shape.length === 3 ? shape[0]! : 1, 1, ...shape.slice(-2)];
}

function splitFrames(name: string, { data, shape }: NdArray): NdArray[] {
  const [time, ...frame] = sequenceShape(name, shape);
  const size = data.length / time!;
  return Array.from({ length: time! }, (_, t) => ({
    data: data.subarray(t * size, (t + 1) * size),
    shape: frame,
  }));
}

interface FrameFormat {
  /** Name in messages. */
  name: string;
  /** Lower-case file extensions; they select a folder's files, content selects the format. */
  extensions: readonly string[];
  is(bytes: Uint8Array): boolean;
  decode(name: string, bytes: Uint8Array): NdArray | Promise<NdArray>;
}

/** Every format of frames; a further one is a row here. */
const kFormats: readonly FrameFormat[] = [
  { name: 'PNG', extensions: ['.png'], is: png.isPng, decode: png.decode },
  { name: 'PGM', extensions: ['.pgm'], is: pgm.isPgm, decode: pgm.decode },
  { name: '.npy', extensions: ['.npy'], is: npy.isNpy, decode: npy.decode },
  {
    name: 'HDF5',
    extensions: ['.h5', '.hdf5', '.hdf'],
    is: hdf5.isHdf5,
    decode: hdf5.decode,
  },
];

const kNames = kFormats.map(({ name }) => name);

/** `PNG, PGM, .npy or HDF5` @internal */
export const kFormatNames = `${kNames.slice(0, -1).join(', ')} or ${kNames.at(-1)}`;

/** The frames of one file or of its bytes, each [C, H, W]. @internal */
export async function readFile(file: ByteSource): Promise<NdArray[]> {
  const name = sourceName(file);
  const bytes = await readBytes(file);
  const format = kFormats.find(({ is }) => is(bytes));
  if (format === undefined) throw formatError(name, `expected ${kFormatNames}, got other content`);
  return splitFrames(name, await format.decode(name, bytes));
}

/** Number of frames that `readFile` returns. @internal */
export async function countFrames(file: string): Promise<number> {
  const shape = await npy.readShape(file);
  return shape === null ? 1 : sequenceShape(file, shape)[0]!;
}

const kNaturalOrder = new Intl.Collator('en', { numeric: true });

/** Sorts `f2` before `f10`. @internal */
export function inNaturalOrder(names: readonly string[]): string[] {
  return [...names].sort(kNaturalOrder.compare);
}

const kExtensions = kFormats.flatMap(({ extensions }) => extensions);

/** Tells by the extension. @internal */
export function isFrameFile(name: string): boolean {
  return kExtensions.includes(extname(name).toLowerCase());
}

/** The error for a folder without frame files. @internal */
export function noFrames(folder: string): ConvLSTMError {
  const message = `${folder}: expected ${kExtensions.join(', ')} files, found none`;
  return new ConvLSTMError('ERR_IO', message);
}

/** Paths of a folder's frame files in natural order. */
async function listFolder(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(isFrameFile);
  if (names.length === 0) throw noFrames(folder);
  return inNaturalOrder(names).map((name) => join(folder, name));
}

/**
 * Reads frames one at a time, each [C, H, W], from a file, from a folder's files in natural order, or
 * from a file's bytes. PNG and PGM give values 0..1, HDF5 radar composites mm/h, `.npy` arrays ([H, W],
 * [T, H, W] or [T, C, H, W]) their own values. Content decides the format, not the name.
 *
 * @throws ConvLSTMError ERR_FORMAT for other content, ERR_SHAPE for a frame unlike the first, ERR_IO for
 *   a file or folder that cannot be read
 * @example
 * ```ts
 * for await (const { data, shape } of readFrames('radar/')) console.log(shape);
 * ```
 */
export async function* readFrames(source: ByteSource): AsyncGenerator<NdArray> {
  let files: ByteSource[] = [source];
  if (isFilePath(source)) {
    const path = toPath(source);
    try {
      if ((await stat(path)).isDirectory()) files = await listFolder(path);
    } catch (error) {
      throw ioError('read', path, error);
    }
  }
  let expected: string | undefined;
  for (const file of files) {
    for (const frame of await readFile(file)) {
      const shape = frame.shape.join(', ');
      expected ??= shape;
      if (shape !== expected) {
        throw new ConvLSTMError(
          'ERR_SHAPE',
          `${sourceName(file)}: expected [${expected}], got [${shape}]`,
        );
      }
      yield frame;
    }
  }
}
