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

/** An array's frames as [C, H, W]: it is [H, W], [T, H, W] or [T, C, H, W]. */
function* splitFrames(name: string, array: NdArray): Generator<NdArray> {
  const { data, shape } = array;
  const [time, channels, height, width] =
    shape.length === 2
      ? [1, 1, ...shape]
      : shape.length === 3
        ? [shape[0]!, 1, shape[1]!, shape[2]!]
        : shape;
  if (shape.length < 2 || shape.length > 4 || data.length === 0) {
    throw formatError(name, `expected [H, W], [T, H, W] or [T, C, H, W], got [${shape}]`);
  }
  const frame = [channels!, height!, width!];
  const size = data.length / time!;
  for (let t = 0; t < time!; t++) {
    yield { data: data.subarray(t * size, (t + 1) * size), shape: frame };
  }
}

async function* readFile(name: string, bytes: Uint8Array): AsyncGenerator<NdArray> {
  const read = [
    { is: png.isPng, load: png.load },
    { is: pgm.isPgm, load: pgm.load },
    { is: npy.isNpy, load: npy.load },
    { is: hdf5.isHdf5, load: hdf5.load },
  ].find((format) => format.is(bytes));
  if (read === undefined) throw formatError(name, 'is neither PNG, PGM, .npy nor HDF5');
  let array: NdArray;
  try {
    array = await read.load(bytes);
  } catch (error) {
    if (error instanceof ConvLSTMError)
      error.message = error.message.replace(/^bytes: /, `${name}: `);
    throw error;
  }
  yield* splitFrames(name, array);
}

/** The files of a folder that hold frames, in natural order: `f2.png` before `f10.png`. */
async function listFolder(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) =>
    kExtensions.has(extname(name).toLowerCase()),
  );
  if (names.length === 0) {
    throw new ConvLSTMError('ERR_IO', `${folder}: no ${[...kExtensions].join(', ')} files in it`);
  }
  const { compare } = new Intl.Collator('en', { numeric: true });
  return names.sort(compare).map((name) => join(folder, name));
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
    const name = sourceName(file);
    for await (const frame of readFile(name, await readBytes(file))) {
      const shape = frame.shape.join(', ');
      expected ??= shape;
      if (shape !== expected) {
        throw new ConvLSTMError('ERR_SHAPE', `${name}: expected [${expected}], got [${shape}]`);
      }
      yield frame;
    }
  }
}
