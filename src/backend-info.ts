import type { AddonInfo } from '../binding.js';
import { backendOf, type Device, defaultDevice } from './backend.js';
import { nativeBinary } from './native.js';
import { version } from './version.js';

/** Result of `backendInfo()`. */
export interface BackendInfo extends Omit<AddonInfo, 'version'> {
  /** Version of the package. */
  version: string;
  /** The default device. */
  device: Device;
  /** The native binary. */
  binary: {
    /** Whether it is loaded; otherwise the TypeScript fallback computes. */
    loaded: boolean;
    /** Path of the loaded file, or null. */
    path: string | null;
    /** Version that the binary was built from, or null. */
    version: string | null;
    /** Reason why none is loaded; empty if one is. */
    reason: string;
  };
}

/**
 * Describes this machine: the binary, or why none is loaded; the processor's features, instruction set
 * and threads in use; kernels chosen so far; memory; GPUs, or why none is usable. Without a binary the
 * instruction set is `'javascript'`.
 *
 * @throws ConvLSTMError ERR_OPTION for an invalid CONVLSTM_DEVICE, CONVLSTM_ISA or CONVLSTM_THREADS
 * @example
 * ```ts
 * const info = backendInfo();
 * console.log(info.binary.loaded ? info.cpu.isa : info.binary.reason); // avx512
 * ```
 */
export function backendInfo(): BackendInfo {
  const device = defaultDevice();
  backendOf('cpu'); // refuses invalid environment variables
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
 * Releases memory that the native engines keep for reuse: that of the processor at once, that of a GPU
 * after its queued operations. Does nothing without a binary.
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
