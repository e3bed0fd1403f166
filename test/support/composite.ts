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
}

/** An HDF5 file in KNMI's layout. */
export function composite(options: Composite = {}): Uint8Array {
  const {
    pixels = Uint16Array.of(0, 100, 65535, 7),
    shape = [2, 2],
    path = 'image_data',
  } = options;
  const file = new h5wasm.File('test.h5', 'w');
  const image = file.create_group('image1');
  image.create_dataset({ name: path, data: pixels, shape, chunks: shape, compression: 6 });
  if (options.formula !== undefined || options.missing !== undefined) {
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
