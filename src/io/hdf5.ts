import { ConvLSTMError } from '../errors.js';
import { checkNames, checkNumber } from '../options.js';
import { type ByteSource, formatError, readBytes, sourceName } from './files.js';
import { type NdArray, safeElementCount } from './nd-array.js';
import { kMaxPixels } from './pixels.js';

/** A rain radar composite. */
export interface RadarComposite extends NdArray {
  /** Rain rate, mm/h. */
  data: Float32Array;
  /** [H, W] */
  shape: number[];
  /** End of the measurement; null if the file does not have it. */
  time: Date | null;
}

/** Options of `load`. */
export interface RadarOptions {
  /** Value of pixels that are missing or outside the image; 0 by default. */
  missing?: number | undefined;
}

const kSignature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
const kDefaultFormula = 'GEO=0.01*PV+0.0';
const kDefaultMissing = 65535;
const kDefaultMinutes = 5;

/** @internal */
export function isHdf5(bytes: Uint8Array): boolean {
  return kSignature.every((byte, i) => bytes[i] === byte);
}

type H5wasm = typeof import('h5wasm');

let loading: Promise<H5wasm> | undefined;

async function loadH5wasm(): Promise<H5wasm> {
  // Not h5wasm/node, whose files are those of the disk: this build keeps files in memory alone.
  const module = await import('h5wasm');
  // Keeps the HDF5 library from printing each error before it is thrown.
  (await module.ready).activate_throwing_error_handler();
  return module;
}

/** Loads the optional dependency h5wasm. */
async function h5wasm(): Promise<H5wasm> {
  loading ??= loadH5wasm();
  try {
    return await loading;
  } catch (cause) {
    const message = 'reading HDF5 needs the optional dependency h5wasm: npm install h5wasm';
    throw new ConvLSTMError('ERR_IO', message, { cause });
  }
}

type File = InstanceType<H5wasm['File']>;

/** Value of an attribute, or its first element; undefined if absent. */
function attribute(file: File, path: string, name: string): unknown {
  const entity = file.get(path);
  if (entity === null || !('attrs' in entity)) return undefined;
  const value: unknown = entity.attrs[name]?.value;
  return Array.isArray(value) || ArrayBuffer.isView(value) ? (value as unknown[])[0] : value;
}

/** Parses `26-AUG-2010;04:55:00.000`, UTC. */
function parseTime(text: unknown): Date | null {
  const match = /^(\d\d)-([A-Z]{3})-(\d{4});(\d\d:\d\d:\d\d)/.exec(String(text));
  if (match === null) return null;
  const [, day, month, year, clock] = match;
  const time = new Date(`${day} ${month} ${year} ${clock} UTC`);
  return Number.isNaN(time.getTime()) ? null : time;
}

function parseFormula(name: string, text: string): [factor: number, offset: number] {
  const match = /^GEO\s*=\s*([-+.\deE]+)\s*\*\s*PV\s*\+\s*([-+.\deE]+)$/.exec(text.trim());
  const [factor, offset] = [Number(match?.[1]), Number(match?.[2])];
  if (!Number.isFinite(factor) || !Number.isFinite(offset)) {
    throw formatError(
      name,
      `calibration_formulas: expected 'GEO=a*PV+b', got ${JSON.stringify(text)}`,
    );
  }
  return [factor, offset];
}

function readComposite(name: string, module: H5wasm, file: File, fill: number): RadarComposite {
  const dataset = file.get('image1/image_data');
  if (!(dataset instanceof module.Dataset)) throw formatError(name, 'no dataset image1/image_data');
  const { shape, dtype } = dataset;
  const count = shape === null ? null : safeElementCount(shape);
  if (shape?.length !== 2 || count === null || count === 0 || count > kMaxPixels) {
    const message = `image1/image_data: expected [H, W] of at most ${kMaxPixels} pixels, got [${shape}]`;
    throw formatError(name, message);
  }
  const pixels = /^[<>|]?[BH]$/.test(String(dtype)) ? dataset.value : null;
  if (!(pixels instanceof Uint16Array || pixels instanceof Uint8Array) || pixels.length !== count) {
    throw formatError(name, `image1/image_data: expected uint8 or uint16, got ${dtype}`);
  }
  const formula = attribute(file, 'image1/calibration', 'calibration_formulas') ?? kDefaultFormula;
  const [factor, offset] = parseFormula(name, String(formula));
  const missing = ['calibration_missing_data', 'calibration_out_of_image'].map((key) =>
    Number(attribute(file, 'image1/calibration', key) ?? kDefaultMissing),
  );
  const start = parseTime(attribute(file, 'overview', 'product_datetime_start'));
  const time = parseTime(attribute(file, 'overview', 'product_datetime_end'));
  const minutes = start && time ? (time.getTime() - start.getTime()) / 60_000 : kDefaultMinutes;
  if (minutes <= 0)
    throw formatError(name, `overview: expected a duration above 0 minutes, got ${minutes}`);
  const data = new Float32Array(count);
  const scale = 60 / minutes;
  for (let i = 0; i < count; i++) {
    const pixel = pixels[i]!;
    data[i] = missing.includes(pixel) ? fill : (factor * pixel + offset) * scale;
  }
  return { data, shape, time };
}

/** Decodes bytes; `name` is their name in messages. @internal */
export async function decode(
  name: string,
  bytes: Uint8Array,
  options: RadarOptions = {},
): Promise<RadarComposite> {
  checkNames('hdf5', options, { missing: true });
  const missing = checkNumber('missing', options.missing ?? 0);
  if (!isHdf5(bytes)) throw formatError(name, 'is not an HDF5 file');
  const module = await h5wasm();
  // A file in the memory of the WebAssembly module. Nothing awaits between here and its end.
  const path = '/composite.h5';
  const { FS } = module;
  FS!.writeFile(path, bytes);
  let file: File | undefined;
  try {
    file = new module.File(path, 'r');
    return readComposite(name, module, file, missing);
  } catch (error) {
    if (error instanceof ConvLSTMError) throw error;
    throw formatError(name, 'is a damaged HDF5 file', error);
  } finally {
    file?.close();
    FS!.unlink(path);
  }
}

/**
 * Reads a rain radar composite in the HDF5 layout of KNMI (`image1/image_data`, an accumulation in mm)
 * as mm/h, shape [H, W]. Needs the optional dependency h5wasm.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, ERR_IO for a file that cannot be read, or
 *   without h5wasm
 * @example
 * ```ts
 * const { data, shape, time } = await hdf5.load('RAD_NL25_RAP_5min_201008260500.h5');
 * ```
 */
export async function load(source: ByteSource, options?: RadarOptions): Promise<RadarComposite> {
  return decode(sourceName(source), await readBytes(source), options);
}
