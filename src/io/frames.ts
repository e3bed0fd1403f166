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

/** What a folder's frames end in. */
const kExtensions: ReadonlySet<string> = new Set(['.png', '.pgm', '.npy', '.h5', '.hdf5', '.hdf']);

/** [T, C, H, W] of an array of frames: it is [H, W], [T, H, W] or [T, C, H, W]. */
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

/** Which formats there are, and how each is known by its first bytes. */
const kFormats: readonly {
  is(bytes: Uint8Array): boolean;
  decode(name: string, bytes: Uint8Array): NdArray | Promise<NdArray>;
}[] = [
  { is: png.isPng, decode: png.decode },
  { is: pgm.isPgm, decode: pgm.decode },
  { is: npy.isNpy, decode: npy.decode },
  { is: hdf5.isHdf5, decode: hdf5.decode },
];

/** The frames of one file or of its bytes, each [C, H, W]. @internal */
export async function readFile(file: ByteSource): Promise<NdArray[]> {
  const name = sourceName(file);
  const bytes = await readBytes(file);
  const format = kFormats.find(({ is }) => is(bytes));
  if (format === undefined) throw formatError(name, 'is neither PNG, PGM, .npy nor HDF5');
  return splitFrames(name, await format.decode(name, bytes));
}

/** How many frames `readFile` would return. @internal */
export async function countFrames(file: string): Promise<number> {
  const shape = await npy.readShape(file);
  return shape === null ? 1 : sequenceShape(file, shape)[0]!;
}

const kNaturalOrder = new Intl.Collator('en', { numeric: true });

/** `f2` before `f10`. @internal */
export function inNaturalOrder(names: readonly string[]): string[] {
  return [...names].sort(kNaturalOrder.compare);
}

/** @internal */
export function isFrameFile(name: string): boolean {
  return kExtensions.has(extname(name).toLowerCase());
}

/** A folder without files of frames. @internal */
export function noFrames(folder: string): ConvLSTMError {
  return new ConvLSTMError('ERR_IO', `${folder}: no ${[...kExtensions].join(', ')} files in it`);
}

/** The files of a folder that hold frames, in natural order. */
async function listFolder(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(isFrameFile);
  if (names.length === 0) throw noFrames(folder);
  return inNaturalOrder(names).map((name) => join(folder, name));
}

/**
 * The frames of a file, of a folder's files in natural order, or of a file's bytes, one at a time, each
 * [C, H, W]. PNG and PGM give values 0..1, `.npy` ([H, W], [T, H, W] or [T, C, H, W]) what it holds, HDF5
 * radar composites mm/h. The content decides the format, not the name.
 *
 * @throws ConvLSTMError ERR_FORMAT for other content, ERR_SHAPE for a frame of another shape than the
 * first, ERR_IO when something cannot be read.
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
