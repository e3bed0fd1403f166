import { record } from '../autograd/tape.js';
import { backendOf, canonicalDevice, type Device, run } from '../backend.js';
import { expectTensor, runTensor } from '../tensor/operands.js';
import type { Tensor } from '../tensor/tensor.js';
import { reshape } from './reshape.js';

/** The same values on another device; to or from `'javascript'` it waits for them. */
export function toDevice(x: Tensor, device: Device): Tensor {
  expectTensor('to: x', x);
  if (x.device === canonicalDevice(device)) return reshape(x, x.shape);
  // The backend is looked up first: a device that is not there is refused without waiting.
  const y = runTensor(device, x.shape, (backend) =>
    backend.copy && backendOf(x.device).copy
      ? backend.copy(x.storage)
      : backend.upload(run(x.device, () => x.storage.dataSync())),
  );
  const source = x.device;
  record({ x }, y, {}, (grad) => ({ x: toDevice(grad, source) }));
  return y;
}
