import type { Dataset, File } from 'h5wasm';
import { formatError } from './files.js';
import { type NdArray, safeElementCount } from './nd-array.js';
import { kMaxPixels } from './pixels.js';

/** A rain radar composite. */
export interface RadarComposite extends NdArray {
  /** Rain rate, mm/h. */
  data: Float32Array;
  /** [H, W] */
  shape: number[];
  /** End of the measurement, or the time that an image is valid for; null if the file does not have it. */
  time: Date | null;
}

/** Options of `load` and `loadAll`. */
export interface RadarOptions {
  /** Value of pixels that are missing or outside the image; 0 by default. */
  missing?: number | undefined;
  /**
   * Z = a R^b between reflectivity, mm^6/m^3, and rain rate, mm/h; Marshall and Palmer 1948 by default.
   */
  zr?:
    | {
        /** Factor a; 200 by default. */
        a?: number | undefined;
        /** Exponent b; 1.6 by default. */
        b?: number | undefined;
      }
    | undefined;
  /** Minutes of an accumulation; by default those of the file, or 5 with a warning if it has none. */
  minutes?: number | undefined;
}

const kDefaultFormula = 'GEO=0.01*PV+0.0';
const kDefaultMissing = 65535;
const kDefaultMinutes = 5;

/** Filters of the HDF5 library itself, by number. */
const kBuiltInFilters = new Set([1, 2, 3, 4, 5, 6]);

/** Names of registered filters that radar files are met with. */
const kFilterNames: Readonly<Record<number, string>> = {
  307: 'bzip2',
  32000: 'lzf',
  32001: 'blosc',
  32004: 'lz4',
  32008: 'bitshuffle',
  32013: 'zfp',
  32015: 'zstd',
  32026: 'blosc2',
};

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

/** Parses `GEO=0.01*PV+0.0`, with any blanks and signs. */
function parseFormula(name: string, text: string): [factor: number, offset: number] {
  const match = /^GEO\s*=\s*([-+.\deE]+)\s*\*\s*PV\s*\+\s*([-+.\deE]+)$/.exec(text.trim());
  const [factor, offset] = [Number(match?.[1]), Number(match?.[2])];
  if (!Number.isFinite(factor) || !Number.isFinite(offset)) {
    const got = JSON.stringify(text);
    throw formatError(name, `calibration_formulas: expected 'GEO=a*PV+b', got ${got}`);
  }
  return [factor, offset];
}

function checkFilters(name: string, path: string, { filters }: Dataset): void {
  for (const { id } of filters) {
    if (kBuiltInFilters.has(id)) continue;
    const filter = `filter ${id}${kFilterNames[id] ? ` (${kFilterNames[id]})` : ''}`;
    const remedy = 'h5repack -f GZIP=6 writes a file that can be read';
    throw formatError(name, `${path} is compressed by ${filter}, which cannot be read; ${remedy}`);
  }
}

/** Minutes of an accumulation, from the start and the end of the measurement. */
function minutesOf(
  name: string,
  file: File,
  given: number | undefined,
  warn: (message: string) => void,
): number {
  if (given !== undefined) return given;
  const start = parseTime(attribute(file, 'overview', 'product_datetime_start'));
  const end = parseTime(attribute(file, 'overview', 'product_datetime_end'));
  if (start === null || end === null) {
    const assumed = `are taken for ${kDefaultMinutes}; option minutes says what they are`;
    warn(`${name}: no duration in the file: the minutes of its mm ${assumed}`);
    return kDefaultMinutes;
  }
  const minutes = (end.getTime() - start.getTime()) / 60_000;
  if (minutes > 0) return minutes;
  const expected = 'expected a duration above 0 minutes, or the option minutes';
  throw formatError(name, `overview: ${expected}, got ${minutes}`);
}

/** KNMI's files have it; without it the layout's own quantity is an accumulation. */
const quantityOf = (file: File, image: string) =>
  String(attribute(file, image, 'image_geo_parameter') ?? 'ACCUMULATED_PRECIPITATION_[MM]');

const unitOf = (file: File, image: string) =>
  /\[(.*)\]/.exec(quantityOf(file, image))?.[1]?.toUpperCase();

/**
 * The function from a calibrated value to mm/h, by the image's `image_geo_parameter`. Reflectivity Z,
 * dBZ, becomes (Z / a)^(1 / b) (Marshall and Palmer 1948).
 */
function toRate(
  name: string,
  file: File,
  image: string,
  { zr: { a = 200, b = 1.6 } = {}, minutes }: RadarOptions,
  warn: (message: string) => void,
): (value: number) => number {
  const unit = unitOf(file, image);
  if (unit === 'MM') {
    const perHour = 60 / minutesOf(name, file, minutes, warn);
    return (value) => value * perHour;
  }
  if (unit === 'MM/H') return (value) => value;
  if (unit === 'DBZ') return (value) => (10 ** (value / 10) / a) ** (1 / b);
  const expected = "a quantity in [MM], [MM/H] or [DBZ], such as 'REFLECTIVITY_[DBZ]'";
  throw formatError(
    name,
    `${image}: image_geo_parameter: expected ${expected}, got ${JSON.stringify(quantityOf(file, image))}`,
  );
}

function readImage(
  name: string,
  file: File,
  image: string,
  options: RadarOptions,
  warn: (message: string) => void,
): Omit<RadarComposite, 'time'> {
  const path = `${image}/image_data`;
  const dataset = file.get(path);
  if (dataset === null || !('filters' in dataset)) throw formatError(name, `no dataset ${path}`);
  const { shape, dtype } = dataset;
  const count = shape === null ? null : safeElementCount(shape);
  if (shape?.length !== 2 || count === null || count === 0 || count > kMaxPixels) {
    const expected = `expected [H, W] of at most ${kMaxPixels} pixels`;
    throw formatError(name, `${path}: ${expected}, got [${shape}]`);
  }
  checkFilters(name, path, dataset);
  const pixels = /^[<>|]?[BH]$/.test(String(dtype)) ? dataset.value : null;
  if (!(pixels instanceof Uint16Array || pixels instanceof Uint8Array) || pixels.length !== count) {
    throw formatError(name, `${path}: expected uint8 or uint16, got ${dtype}`);
  }
  const calibration = `${image}/calibration`;
  const formula = attribute(file, calibration, 'calibration_formulas') ?? kDefaultFormula;
  const [factor, offset] = parseFormula(name, String(formula));
  const missing = ['calibration_missing_data', 'calibration_out_of_image'].map((key) =>
    Number(attribute(file, calibration, key) ?? kDefaultMissing),
  );
  const rate = toRate(name, file, image, options, warn);
  // Pixel 0 of reflectivity is no echo: its -32 dBZ would be 4e-4 mm/h everywhere.
  const isReflectivity = unitOf(file, image) === 'DBZ';
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const pixel = pixels[i]!;
    if (missing.includes(pixel)) data[i] = options.missing ?? 0;
    else data[i] = pixel === 0 && isReflectivity ? 0 : rate(factor * pixel + offset);
  }
  return { data, shape };
}

/** Names of the images of a file, `image1`, `image2`, ..., in order of their numbers. */
function imagesOf(name: string, file: File): string[] {
  const numbers = file.keys().flatMap((key) => /^image([1-9]\d*)$/.exec(key)?.[1] ?? []);
  const sorted = numbers.map(Number).sort((a, b) => a - b);
  if (sorted[0] !== 1) throw formatError(name, 'no dataset image1/image_data');
  const absent = sorted.findIndex((number, k) => number !== k + 1);
  if (absent !== -1) {
    throw formatError(name, `expected image1 to image${sorted.at(-1)}, got no image${absent + 1}`);
  }
  return sorted.map((number) => `image${number}`);
}

/**
 * The images of a file in KNMI's layout. An image's time is its `image_datetime_valid`; else the only
 * image's is the end of the measurement, and of several no time is known.
 *
 * @param limit number of images, Infinity for all
 * @param warn takes messages for users, who do not hear this thread
 * @throws ConvLSTMError ERR_FORMAT
 * @internal
 */
export function readComposites(
  name: string,
  file: File,
  options: RadarOptions,
  limit: number,
  warn: (message: string) => void,
): RadarComposite[] {
  const images = imagesOf(name, file);
  const single = images.length === 1;
  return images.slice(0, limit).map((image) => ({
    ...readImage(name, file, image, options, warn),
    time:
      parseTime(attribute(file, image, 'image_datetime_valid')) ??
      (single ? parseTime(attribute(file, 'overview', 'product_datetime_end')) : null),
  }));
}
