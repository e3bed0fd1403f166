/** What every operation does around its call of the backend. */
import type { Backend, Storage } from '../../binding.js';
import { backendOf, type Device } from '../backend.js';
import { ConvLSTMError, toConvLSTMError } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * The one device of the operands.
 *
 * @throws ConvLSTMError ERR_DEVICE with both names where there are two
 */
export function deviceOf(
  operation: string,
  operands: Readonly<Record<string, Tensor | null | undefined>>,
): Device {
  let first: string | undefined;
  let device: Device | undefined;
  for (const name in operands) {
    const operand = operands[name];
    if (!operand) continue;
    if (!(operand instanceof Tensor)) {
      throw new ConvLSTMError('ERR_DTYPE', `${operation}: ${name} is not a Tensor`);
    }
    if (device === undefined) {
      first = name;
      device = operand.device;
    } else if (operand.device !== device) {
      throw new ConvLSTMError(
        'ERR_DEVICE',
        `${operation}: ${first} is on '${device}' but ${name} is on '${operand.device}'`,
      );
    }
  }
  return device!;
}

/** Calls a backend; what it refuses is thrown as a ConvLSTMError. */
export function run<T>(device: Device, call: (backend: Backend) => T): T {
  const backend = backendOf(device);
  try {
    return call(backend);
  } catch (error) {
    throw toConvLSTMError(error);
  }
}

/** `run` for an operation with one result. */
export function runTensor(
  device: Device,
  shape: readonly number[],
  call: (backend: Backend) => Storage,
): Tensor {
  return Tensor.fromStorage(run(device, call), shape, device);
}
