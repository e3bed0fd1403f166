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

async function* readFile(file: ByteSource): AsyncGenerator<NdArray> {
  const name = sourceName(file);
  const bytes = await readBytes(file);
  const format = kFormats.find(({ is }) => is(bytes));
  if (format === undefined) throw formatError(name, 'is neither PNG, PGM, .npy nor HDF5');
  yield* splitFrames(name, await format.decode(name, bytes));
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
    for await (const frame of readFile(file)) {
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
