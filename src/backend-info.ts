import { createRequire } from 'node:module';
import type { AddonInfo } from '../binding.js';
import { backendOf, type Device, defaultDevice } from './backend.js';
import { nativeBinary } from './native.js';

/** What `backendInfo()` found. */
export interface BackendInfo extends Omit<AddonInfo, 'version'> {
  /** Version of this package. */
  version: string;
  /** The device that is used where none is named. */
  device: Device;
  /** The native binary. */
  binary: {
    /** Whether there is one; without it, plain TypeScript computes. */
    loaded: boolean;
    /** The file that was loaded; null when none was. */
    path: string | null;
    /** Version the binary was built from; null when none was loaded. */
    version: string | null;
    /** Why none was loaded; empty when one was. */
    reason: string;
  };
}

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/**
 * What this package found on this machine: the binary or why there is none, the processor's features,
 * the instruction set and threads in use, the kernels chosen so far, memory, GPUs or why there are
 * none. Without a binary the instruction set reads `'javascript'`.
 *
 * @throws ConvLSTMError ERR_OPTION when CONVLSTM_DEVICE, CONVLSTM_ISA or CONVLSTM_THREADS has a value
 *   it cannot have
 * @example
 * ```ts
 * const info = backendInfo();
 * console.log(info.binary.loaded ? info.cpu.isa : info.binary.reason); // avx512
 * ```
 */
export function backendInfo(): BackendInfo {
  const device = defaultDevice();
  backendOf('cpu'); // refuses bad environment variables
  const { addon, path, reason } = nativeBinary();
  if (!addon) {
    return {
      version,
      device,
      binary: { loaded: false, path, version: null, reason },
      cpu: { features: [], isa: 'javascript', isas: ['javascript'], threads: 1 },
      cuda: { devices: [], reason: 'no native binary is loaded' },
      kernels: [],
      memory: { liveBytes: 0, cachedBytes: 0 },
    };
  }
  const info = addon.info();
  return {
    ...info,
    version,
    device,
    binary: { loaded: true, path, version: info.version, reason: '' },
  };
}

/**
 * Gives the memory that the native engines keep for reuse back: the system's at once, that of a GPU as
 * soon as it has done what is queued. Does nothing where no binary is loaded.
 *
 * @example
 * ```ts
 * emptyCache();
 * backendInfo().memory.cachedBytes; // 0
 * ```
 */
export function emptyCache(): void {
  nativeBinary().addon?.emptyCache();
}
