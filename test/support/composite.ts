// HDF5 files in the layout of KNMI's radar composites.
import h5wasm from 'h5wasm';

const { FS: fs } = await h5wasm.ready; // in memory: 'test.h5' is not on the disk

export interface Composite {
  pixels?: Uint16Array | Uint8Array | Float32Array;
  shape?: number[];
  formula?: string;
  missing?: number;
  start?: string;
  end?: string;
  path?: string;
  /** `image_geo_parameter` of every image. */
  quantity?: string;
  /** Number of images; the pixels of image n are n - 1 more than `pixels`. */
  images?: number;
  /** `image_datetime_valid` of image n. */
  valid?: (n: number) => string;
}

/** An HDF5 file in KNMI's layout. */
export function composite(options: Composite = {}): Uint8Array {
  const {
    pixels = Uint16Array.of(0, 100, 65535, 7),
    shape = [2, 2],
    path = 'image_data',
  } = options;
  const file = new h5wasm.File('test.h5', 'w');
  for (let n = 1; n <= (options.images ?? 1); n++) {
    const image = file.create_group(`image${n}`);
    const data = pixels.map((pixel) => pixel + n - 1) as typeof pixels;
    image.create_dataset({ name: path, data, shape, chunks: shape, compression: 6 });
    if (options.quantity) image.create_attribute('image_geo_parameter', options.quantity);
    if (options.valid) image.create_attribute('image_datetime_valid', options.valid(n));
    if (options.formula === undefined && options.missing === undefined) continue;
    const calibration = image.create_group('calibration');
    calibration.create_attribute('calibration_formulas', options.formula ?? 'GEO=0.01*PV+0.0');
    calibration.create_attribute(
      'calibration_missing_data',
      Int32Array.of(options.missing ?? 65535),
    );
  }
  const overview = file.create_group('overview');
  if (options.start) overview.create_attribute('product_datetime_start', [options.start]);
  if (options.end) overview.create_attribute('product_datetime_end', [options.end]);
  file.close();
  const bytes = new Uint8Array(fs.readFile('test.h5'));
  fs.unlink('test.h5');
  return bytes;
}
