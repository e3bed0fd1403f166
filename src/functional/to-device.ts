import { record } from '../autograd/tape.js';
import { backendOf, canonicalDevice, type Device, run } from '../backend.js';
import { expectTensor, runTensor } from '../tensor/operands.js';
import type { Tensor } from '../tensor/tensor.js';
import { reshape } from './reshape.js';

/**
 * The same values on another device. The copy is queued like any operation; to and from `'javascript'` it
 * blocks the thread until the values are there.
 *
 * @throws ConvLSTMError ERR_OPTION for an unknown device name, ERR_DEVICE for an absent device
 * @example
 * ```ts
 * Tensor.ones([2]).to('javascript').device; // 'javascript'
 * ```
 */
export function toDevice(x: Tensor, device: Device): Tensor {
  expectTensor('to: x', x);
  if (x.device === canonicalDevice(device)) return reshape(x, x.shape);
  // Looks the backend up first: an absent device is an error before the wait for the values.
  const y = runTensor(device, x.shape, (backend) =>
    backend.copy && backendOf(x.device).copy
      ? backend.copy(x.storage)
      : backend.upload(run(x.device, () => x.storage.dataSync())),
  );
  const source = x.device;
  record({ x }, y, {}, (grad) => ({ x: toDevice(grad, source) }));
  return y;
}
