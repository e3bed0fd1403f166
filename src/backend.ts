/** Maps the name of a device to its backend. */
import type { Backend } from '../binding.js';
import { ConvLSTMError, toConvLSTMError } from './errors.js';
import { fallback } from './fallback/index.js';
import { nativeBinary, warnOfFallback } from './native.js';
import { refuseOption } from './options.js';

/**
 * Device of a tensor.
 *
 * - `'cpu'`: the native engine, or the TypeScript fallback if no binary fits this machine
 * - `'javascript'`: the TypeScript fallback
 * - `'cuda:0'`, `'cuda:1'`, ...: a GPU
 * - `'cuda'`: an alias of `'cuda:0'`; tensors report `'cuda:0'`
 * - `'auto'`: an alias of the first usable GPU, else of `'cpu'`, with one warning per process
 */
export type Device = 'cpu' | 'javascript' | 'auto' | 'cuda' | `cuda:${number}`;

const kCudaName = /^cuda(:(0|[1-9]\d{0,3}))?$/;
const kDeviceNames = `'cpu', 'javascript', 'auto', 'cuda' or 'cuda:N'`;

function checkDevice(name: string, device: string): asserts device is Device {
  if (device === 'cpu' || device === 'javascript' || device === 'auto') return;
  if (typeof device === 'string' && kCudaName.test(device)) return;
  refuseOption(name, kDeviceNames, device);
}

let automatic: Device | undefined;

/** Resolves `'auto'`. */
function chooseDevice(): Device {
  backendOf('cpu'); // refuses invalid environment variables
  const { addon, reason } = nativeBinary();
  const cuda = addon?.info().cuda;
  const gpu = cuda?.devices.findIndex((device) => device.reason === '') ?? -1;
  if (gpu >= 0) return `cuda:${gpu}`;
  process.emitWarning(`device 'auto' is 'cpu' here: ${cuda?.reason || reason}`, 'ConvLSTMWarning');
  return 'cpu';
}

/**
 * Resolves aliases: the name of a device in tensors and comparisons.
 *
 * @internal
 */
export function canonicalDevice(device: Device): Device {
  if (device === 'auto') {
    automatic ??= chooseDevice();
    return automatic;
  }
  return device === 'cuda' ? 'cuda:0' : device;
}

let cpuBackend: Backend | undefined;

function openCpu(): Backend {
  const threads = process.env['CONVLSTM_THREADS'];
  if (threads && !/^[1-9]\d{0,3}$/.test(threads)) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `CONVLSTM_THREADS: expected an integer from 1 to 9999, got '${threads}'`,
    );
  }
  const { addon } = nativeBinary();
  if (!addon) return fallback;
  try {
    addon.info(); // reads CONVLSTM_ISA: an invalid value is refused here, not by data()
  } catch (error) {
    throw toConvLSTMError(error);
  }
  return addon.cpu;
}

const cudaBackends = new Map<number, Backend>();

function openCuda(device: Device, index: number): Backend {
  const known = cudaBackends.get(index);
  if (known) return known;
  const { addon, reason } = nativeBinary();
  const why = addon ? addon.info().cuda.reason : `no native binary is loaded: ${reason}`;
  if (!addon || why) {
    throw new ConvLSTMError('ERR_DEVICE', `device '${device}' is not available: ${why}`);
  }
  try {
    const backend = addon.cuda(index);
    cudaBackends.set(index, backend);
    return backend;
  } catch (error) {
    throw toConvLSTMError(error);
  }
}

/**
 * The default device: CONVLSTM_DEVICE, else `'cpu'`.
 *
 * @internal
 */
export function defaultDevice(): Device {
  const name = process.env['CONVLSTM_DEVICE'];
  if (!name) return 'cpu';
  checkDevice('CONVLSTM_DEVICE', name);
  return canonicalDevice(name);
}

/**
 * @internal
 * @throws ConvLSTMError ERR_OPTION for an unknown name, ERR_DEVICE for an absent device
 */
export function backendOf(device: Device): Backend {
  if (device === 'cpu') {
    cpuBackend ??= openCpu();
    return cpuBackend;
  }
  if (device === 'javascript') return fallback;
  checkDevice('device', device);
  if (device === 'auto') return backendOf(canonicalDevice(device));
  return openCuda(device, Number(kCudaName.exec(device)![2] ?? 0));
}

/**
 * Calls a backend; its errors become ConvLSTMErrors. Warns once if the fallback stands in for `'cpu'`.
 *
 * @internal
 */
export function run<T>(device: Device, call: (backend: Backend) => T): T {
  const backend = backendOf(device);
  if (backend === fallback && device === 'cpu') warnOfFallback();
  try {
    return call(backend);
  } catch (error) {
    throw toConvLSTMError(error);
  }
}
