import type { UnaryOp } from '../../binding.js';
import { record } from '../autograd/tape.js';
import { checkNumber } from '../options.js';
import { deviceOf, runTensor } from '../tensor/operands.js';
import type { Tensor } from '../tensor/tensor.js';

/** Functions whose derivative follows from the result; the others' follows from the operand. */
const kFromResult: ReadonlySet<UnaryOp> = new Set(['exp', 'sqrt', 'sigmoid', 'tanh', 'relu']);

function unary(op: UnaryOp, x: Tensor, alpha = 0): Tensor {
  const device = deviceOf(op, { x });
  const y = runTensor(device, x.shape, (backend) => backend.unary(op, x.storage, alpha));
  record({ x }, y, { saved: kFromResult.has(op) ? y : x }, (grad, { saved }) => ({
    x: runTensor(device, grad.shape, (backend) =>
      backend.unaryBackward(op, saved.storage, grad.storage, alpha),
    ),
  }));
  return y;
}

/** `-x`, element by element. */
export function neg(x: Tensor): Tensor {
  const device = deviceOf('neg', { x });
  const y = runTensor(device, x.shape, (backend) => backend.unary('neg', x.storage, 0));
  record({ x }, y, {}, (grad) => ({ x: neg(grad) }));
  return y;
}

/** The absolute value of each element. */
export function abs(x: Tensor): Tensor {
  return unary('abs', x);
}

/** `e ** x`, element by element. */
export function exp(x: Tensor): Tensor {
  return unary('exp', x);
}

/** The natural logarithm of each element: -Infinity for 0, NaN for negative ones. */
export function log(x: Tensor): Tensor {
  return unary('log', x);
}

/** `x * x`, element by element. */
export function square(x: Tensor): Tensor {
  return unary('square', x);
}

/** `log(1 + exp(x))`, element by element; large elements do not overflow. */
export function softplus(x: Tensor): Tensor {
  return unary('softplus', x);
}

/** The square root of each element; NaN for negative ones. */
export function sqrt(x: Tensor): Tensor {
  return unary('sqrt', x);
}

/** `1 / (1 + exp(-x))`, element by element. */
export function sigmoid(x: Tensor): Tensor {
  return unary('sigmoid', x);
}

/** The hyperbolic tangent of each element. */
export function tanh(x: Tensor): Tensor {
  return unary('tanh', x);
}

/** `max(x, 0)`, element by element. */
export function relu(x: Tensor): Tensor {
  return unary('relu', x);
}

/**
 * `x` where it is positive, else `negativeSlope * x`.
 *
 * @throws ConvLSTMError ERR_OPTION unless `negativeSlope` is a number
 */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  checkNumber('negativeSlope', negativeSlope);
  return unary('leakyRelu', x, negativeSlope);
}
