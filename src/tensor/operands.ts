/** Checks of an operation's operands, and the tensor around its result. */
import type { Backend, Storage } from '../../binding.js';
import { type Device, run } from '../backend.js';
import { ConvLSTMError, kindOf } from '../errors.js';
import { Tensor } from './tensor.js';

/** @throws ConvLSTMError ERR_OPTION for anything but a tensor */
export function expectTensor(name: string, value: unknown): asserts value is Tensor {
  if (value instanceof Tensor) return;
  const holds = ArrayBuffer.isView(value) || Array.isArray(value) || Object(value).data;
  const hint = holds ? '; Tensor.from makes one' : '';
  const message = `${name}: expected a Tensor, got ${kindOf(value)}${hint}`;
  throw new ConvLSTMError('ERR_OPTION', message);
}

/**
 * The device that all operands are on.
 *
 * @param operands null for an absent one
 * @throws ConvLSTMError ERR_DEVICE naming two operands on different devices, ERR_OPTION for anything
 *   but a tensor
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

/** `run` for an operation with one result. */
export function runTensor(
  device: Device,
  shape: readonly number[],
  call: (backend: Backend) => Storage,
): Tensor {
  return Tensor.fromStorage(run(device, call), shape, device);
}
