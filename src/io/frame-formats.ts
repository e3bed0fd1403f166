import type { BlockCache } from './block-cache.js';
import { formatError, type ListedSource, readBytes, sourceName } from './files.js';
import * as hdf5 from './hdf5.js';
import * as jpeg from './jpeg.js';
import type { NdArray } from './nd-array.js';
import * as npy from './npy.js';
import { openNpy } from './npy-frames.js';
import * as npz from './npz.js';
import * as pgm from './pgm.js';
import * as png from './png.js';
import { withRandomAccess } from './random-access.js';
import { recognise } from './recognise.js';

/** Frames of one file, of which only those asked for are decoded. @internal */
export interface FrameFile {
  /** Number of frames. */
  count: number;
  /** Number of sequences of `count / sequences` frames each, one after another. */
  sequences: number;
  /** Time of each frame; null for a file without times. */
  times: readonly (Date | null)[] | null;
  /** Unit of the values, `mm/h`; null for a format that has none. */
  unit: string | null;
  /** Frame `index`, [C, H, W]. */
  read(index: number): Promise<NdArray>;
}

/** A row of the table of formats. */
interface FrameFormat {
  /** Name in messages. */
  name: string;
  /** Lower-case file extensions; they select a folder's files, content selects the format. */
  extensions: readonly string[];
  /** Tells by a file's first bytes, up to 512. */
  is(head: Uint8Array): boolean;
  /**
   * Reads what is needed to count the frames and to know their times.
   *
   * @param layout of an array of frames, null for the default; formats of images ignore it
   */
  open(source: ListedSource, cache: BlockCache, layout: string | null): Promise<FrameFile>;
}

/** An image, decoded from a file's bytes: [H, W] or [C, H, W]. */
interface Image extends NdArray {
  time?: Date | null;
  unit?: string | null;
}

type Decode<T> = (name: string, bytes: Uint8Array) => T | Promise<T>;

const bytesOf = (images: readonly Image[]) =>
  images.reduce((sum, { data }) => sum + data.byteLength, 0);

const toFrame = ({ data, shape }: Image): NdArray => ({
  data,
  shape: [...(shape.length === 2 ? [1] : []), ...shape],
});

/** Reads a format of one image a file. Nothing is decoded before the first `read`. */
function image(decode: Decode<Image>): FrameFormat['open'] {
  return async (source, cache) => {
    const key = cache.newFile();
    const load = async () => [await decode(sourceName(source), await readBytes(source))];
    return {
      count: 1,
      sequences: 1,
      times: null,
      unit: null,
      read: async () => toFrame((await cache.get(key, load, bytesOf))[0]!),
    };
  };
}

/** Reads a format of one or more images a file, which are decoded together. */
function images(decode: Decode<readonly Image[]>): FrameFormat['open'] {
  return async (source, cache) => {
    const key = cache.newFile();
    const load = async () => decode(sourceName(source), await readBytes(source));
    const get = () => cache.get(key, load, bytesOf);
    const found = await get();
    const count = found.length;
    const times = found.map(({ time }) => time ?? null);
    return {
      count,
      sequences: 1,
      times: times.every((time) => time === null) ? null : times,
      unit: found[0]?.unit ?? null,
      read: async (index) => {
        const now = await get();
        if (now.length === count) return toFrame(now[index]!);
        throw formatError(sourceName(source), 'was replaced after it was opened');
      },
    };
  };
}

/** Reads a PGM stream: binary images by their offsets. */
const openPgm: FrameFormat['open'] = async (source, cache, layout) => {
  const starts = await withRandomAccess(source, pgm.findImages);
  if (starts === null) return images(pgm.decodeAll)(source, cache, layout);
  const read = (index: number) =>
    withRandomAccess(source, async (file) => {
      const [begin, end] = [starts[index]!, starts[index + 1]!];
      if (file.size !== starts.at(-1)) {
        throw formatError(file.name, 'was replaced after it was opened');
      }
      const name = index === 0 ? file.name : `${file.name}: image ${index}`;
      return toFrame(pgm.decodeAll(name, await file.read(begin, end))[0]!);
    });
  return { count: starts.length - 1, sequences: 1, times: null, unit: null, read };
};

const openNpz: FrameFormat['open'] = async (source, cache, layout) => {
  const key = cache.newFile();
  const access = await npz.openEntry(source, undefined, (inflate) =>
    cache.get(`${key}inflated`, inflate, ({ byteLength }) => byteLength),
  );
  return { times: null, unit: null, ...(await openNpy(access, cache, layout)) };
};

/** Every format of frames; a further one is a row here. */
const kFormats: readonly FrameFormat[] = [
  { name: 'PNG', extensions: ['.png'], is: png.isPng, open: image(png.decode) },
  { name: 'JPEG', extensions: ['.jpg', '.jpeg'], is: jpeg.isJpeg, open: image(jpeg.decode) },
  { name: 'PGM', extensions: ['.pgm'], is: pgm.isPgm, open: openPgm },
  {
    name: '.npy',
    extensions: ['.npy'],
    is: npy.isNpy,
    open: async (source, cache, layout) => ({
      times: null,
      unit: null,
      ...(await openNpy((use) => withRandomAccess(source, use), cache, layout)),
    }),
  },
  { name: '.npz', extensions: ['.npz'], is: npz.isNpz, open: openNpz },
  {
    name: 'HDF5',
    extensions: ['.h5', '.hdf5', '.hdf'],
    is: hdf5.isHdf5,
    open: images(async (name, bytes) =>
      (await hdf5.decodeAll(name, bytes)).map((image) => ({ ...image, unit: 'mm/h' })),
    ),
  },
];

const kNames = kFormats.map(({ name }) => name);

/** `PNG, JPEG, PGM, .npy, .npz or HDF5` @internal */
export const kFormatNames = `${kNames.slice(0, -1).join(', ')} or ${kNames.at(-1)}`;

/** Extensions of files that a folder's listing takes. @internal */
export const kExtensions = kFormats.flatMap(({ extensions }) => extensions);

/** First bytes by which formats are told apart. */
const kHeadBytes = 512;

/**
 * Opens a file of frames, or its bytes. No file stays open between reads.
 *
 * @throws ConvLSTMError ERR_FORMAT for other content, ERR_IO
 * @internal
 */
export async function openFrames(
  source: ListedSource,
  cache: BlockCache,
  layout: string | null,
): Promise<FrameFile> {
  const head = await withRandomAccess(source, ({ size, read }) =>
    read(0, Math.min(size, kHeadBytes)),
  );
  const format = kFormats.find(({ is }) => is(head));
  if (format !== undefined) return format.open(source, cache, layout);
  const got = recognise(head)?.what ?? 'other content';
  throw formatError(sourceName(source), `expected ${kFormatNames}, got ${got}`);
}
