import type { Device } from '../backend.js';
import { checkFraction } from '../options.js';
import { expectTensor, runTensor } from '../tensor/operands.js';
import { takeWords } from '../tensor/random.js';
import { elementCount } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { mul } from './binary.js';

/**
 * Elements that are `value` with `probability`, else 0, from the generator of `manualSeed`: the same on
 * every device.
 *
 * @internal
 */
export function bernoulli(
  shape: readonly number[],
  probability: number,
  value: number,
  device: Device,
): Tensor {
  const length = elementCount(shape);
  const { key0, key1, counter } = takeWords(length);
  return runTensor(device, shape, (backend) =>
    backend.bernoulli(length, probability, value, key0, key1, counter),
  );
}

/**
 * Factors of dropout: 0 with probability `p`, else 1 / (1 - p).
 *
 * @internal
 */
export function dropoutMask(shape: readonly number[], p: number, device: Device): Tensor {
  return bernoulli(shape, 1 - p, p < 1 ? 1 / (1 - p) : 0, device);
}

/**
 * Sets each element to 0 with probability `p` and multiplies the others by 1 / (1 - p). The generator of
 * `manualSeed` chooses the same elements on every device.
 *
 * @param p from 0 to 1, both included
 * @throws ConvLSTMError ERR_OPTION for `p` out of range
 */
export function dropout(x: Tensor, p = 0.5): Tensor {
  checkFraction('dropout: p', p);
  expectTensor('dropout: x', x);
  const mask = dropoutMask(x.shape, p, x.device);
  const result = mul(x, mask);
  mask.dispose();
  return result;
}
