/** What every operation does around its call of the backend. */
import type { Backend, Storage } from '../../binding.js';
import { backendOf, type Device } from '../backend.js';
import { ConvLSTMError, show, toConvLSTMError } from '../errors.js';
import { Tensor } from '../tensor/tensor.js';

/** What a message calls a value that should have been another. */
export function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return show(value);
  return Array.isArray(value) ? 'an array' : (value.constructor?.name ?? 'an object');
}

/** @throws ConvLSTMError ERR_DTYPE for anything but a tensor */
export function expectTensor(name: string, value: unknown): asserts value is Tensor {
  if (value instanceof Tensor) return;
  const holds = ArrayBuffer.isView(value) || Array.isArray(value) || Object(value).data;
  const hint = holds ? '; Tensor.from makes one' : '';
  const message = `${name}: expected a Tensor, got ${kindOf(value)}${hint}`;
  throw new ConvLSTMError('ERR_DTYPE', message);
}

/**
 * The one device of the operands; null for one that is left out.
 *
 * @throws ConvLSTMError ERR_DEVICE with both names where there are two, ERR_DTYPE for anything but a
 *   tensor
 */
export function deviceOf(
  operation: string,
  operands: Readonly<Record<string, Tensor | null>>,
): Device {
  let first: string | undefined;
  let device: Device | undefined;
  for (const name in operands) {
    const operand = operands[name];
    if (operand === null) continue;
    if (!(operand instanceof Tensor)) expectTensor(`${operation}: ${name}`, operand);
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
