import { ConvLSTMError } from '../errors.js';
import { formatError } from './files.js';
import { type RadarComposite, type RadarOptions, readComposites } from './knmi.js';

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

/** Images of a file, and warnings to emit. */
export interface Decoded {
  images: RadarComposite[];
  warnings: string[];
}

/**
 * Decodes the first `limit` images of bytes on this thread. The HDF5 library may loop for ever over
 * damaged bytes: hdf5-thread.ts has the caller that is safe from it.
 *
 * @throws ConvLSTMError ERR_FORMAT, ERR_IO without h5wasm
 */
export async function decodeHere(
  name: string,
  bytes: Uint8Array,
  options: RadarOptions,
  limit: number,
): Promise<Decoded> {
  const module = await h5wasm();
  // A file in the memory of the WebAssembly module. Nothing awaits between here and its end.
  const path = '/composite.h5';
  const { FS } = module;
  FS!.writeFile(path, bytes);
  let file: File | undefined;
  const warnings: string[] = [];
  try {
    file = new module.File(path, 'r');
    const warn = (message: string) => warnings.push(message);
    return { images: readComposites(name, file, options, limit, warn), warnings };
  } catch (error) {
    if (error instanceof ConvLSTMError) throw error;
    throw formatError(name, 'is a damaged HDF5 file', error);
  } finally {
    file?.close();
    FS!.unlink(path);
  }
}
