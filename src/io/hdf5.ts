import { checkNames, checkNumber, refuseOption } from '../options.js';
import { type ByteSource, formatError, readBytes, sourceName } from './files.js';
import { decode } from './hdf5-thread.js';
import type { RadarComposite, RadarOptions } from './knmi.js';

export type { RadarComposite, RadarOptions };

const kSignature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** @internal */
export function isHdf5(bytes: Uint8Array): boolean {
  return kSignature.every((byte, i) => bytes[i] === byte);
}

function checkOptions(options: RadarOptions): void {
  checkNames('hdf5', options, { missing: true, zr: true, minutes: true });
  checkNumber('missing', options.missing ?? 0);
  checkNames('zr', options.zr ?? {}, { a: true, b: true });
  const { zr: { a = 200, b = 1.6 } = {}, minutes = 1 } = options;
  for (const [field, value] of Object.entries({ 'zr.a': a, 'zr.b': b, minutes })) {
    if (!(checkNumber(field, value) > 0 && Number.isFinite(value))) {
      refuseOption(field, 'a finite number above 0', value);
    }
  }
}

async function decodeImages(
  name: string,
  bytes: Uint8Array,
  options: RadarOptions,
  limit: number,
): Promise<RadarComposite[]> {
  checkOptions(options);
  if (!isHdf5(bytes)) throw formatError(name, 'is not an HDF5 file');
  return decode(name, bytes, options, limit);
}

/** Decodes all images of bytes; `name` is their name in messages. @internal */
export function decodeAll(
  name: string,
  bytes: Uint8Array,
  options: RadarOptions = {},
): Promise<RadarComposite[]> {
  return decodeImages(name, bytes, options, Number.POSITIVE_INFINITY);
}

/**
 * Reads the first image of a rain radar file in the HDF5 layout of KNMI (`image1/image_data`) as mm/h,
 * shape [H, W]; `loadAll` reads all of them. The file's `image_geo_parameter` tells the quantity: an
 * accumulation in mm, a rain rate in mm/h, or reflectivity in dBZ. Needs the optional dependency h5wasm.
 *
 * A worker thread decodes; bytes over which it loops are ERR_FORMAT after 10 s, and 1 s for each MiB.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content or quantity, ERR_OPTION, ERR_IO for a file that
 *   cannot be read, or without h5wasm
 * @example
 * ```ts
 * const { data, shape, time } = await hdf5.load('RAD_NL25_RAP_5min_201008260500.h5');
 * ```
 */
export async function load(
  source: ByteSource,
  options: RadarOptions = {},
): Promise<RadarComposite> {
  const [first] = await decodeImages(sourceName(source), await readBytes(source), options, 1);
  return first!;
}

/**
 * Reads all images of a file as `load` reads the first, such as the 25 of KNMI's forecasts, in order of
 * their numbers.
 *
 * @throws ConvLSTMError as `load`
 * @example
 * ```ts
 * const forecast = await hdf5.loadAll('RAD_NL25_RAC_FM_202006301210.h5'); // image1, image2, ...
 * ```
 */
export async function loadAll(
  source: ByteSource,
  options: RadarOptions = {},
): Promise<RadarComposite[]> {
  return decodeAll(sourceName(source), await readBytes(source), options);
}
