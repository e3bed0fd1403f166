import { noGrad } from '../autograd/grad-mode.js';
import { record } from '../autograd/tape.js';
import {
  abs,
  add,
  div,
  log,
  maximum,
  mul,
  neg,
  relu,
  sigmoid,
  softplus,
  sub,
} from '../functional/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkAlike, kReduction, type LossOptions, reduceLoss } from './reduction.js';

/** PyTorch's lower bounds: of the logarithms, and of p (1 - p) in the gradient's denominator. */
const kLogFloor = -100;
const kVarianceFloor = 1e-12;

function flooredLog(x: Tensor): Tensor {
  using logarithm = log(x);
  return maximum(logarithm, kLogFloor);
}

/** log(p) and log(1 - p), neither below -100. */
function logarithms(p: Tensor): [Tensor, Tensor] {
  using rest = sub(1, p);
  return [flooredLog(p), flooredLog(rest)];
}

/**
 * Binary cross-entropy of probabilities, -t log p - (1 - t) log(1 - p), with logarithms clamped at -100,
 * as PyTorch's `binary_cross_entropy`.
 *
 * @param input probabilities, from 0 to 1
 * @param target same shape, from 0 to 1
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const loss = bceLoss(logits.sigmoid(), target); // bceWithLogitsLoss(logits, target) is more exact
 * ```
 */
export function bceLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkAlike('bceLoss', input, target, options, kReduction);
  const losses = noGrad(() => {
    const [logOne, logZero] = logarithms(input);
    using one = mul(target, logOne);
    using absent = sub(1, target);
    using zero = mul(absent, logZero);
    using sum = add(one, zero);
    logOne.dispose();
    logZero.dispose();
    return neg(sum);
  });
  record({ input, target }, losses, { input, target }, (grad, saved, wants) => ({
    input: wants.input ? probabilityGrad(grad, saved.input, saved.target) : null,
    target: wants.target ? targetGrad(grad, saved.input) : null,
  }));
  return reduceLoss(losses, options);
}

/** grad (p - t) / (p (1 - p)) */
function probabilityGrad(grad: Tensor, p: Tensor, t: Tensor): Tensor {
  using error = sub(p, t);
  using rest = sub(1, p);
  using product = mul(p, rest);
  using variance = maximum(product, kVarianceFloor);
  using slope = div(error, variance);
  return mul(grad, slope);
}

/** grad (log(1 - p) - log(p)) */
function targetGrad(grad: Tensor, p: Tensor): Tensor {
  const [logOne, logZero] = logarithms(p);
  using slope = sub(logZero, logOne);
  logOne.dispose();
  logZero.dispose();
  return mul(grad, slope);
}

/**
 * `bceLoss` of sigmoid(input), more accurate than the two in turn, as PyTorch's
 * `binary_cross_entropy_with_logits`.
 *
 * @param target same shape as `input`, from 0 to 1
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const loss = bceWithLogitsLoss(head.forward(h), target);
 * ```
 */
export function bceWithLogitsLoss(
  input: Tensor,
  target: Tensor,
  options: LossOptions = {},
): Tensor {
  checkAlike('bceWithLogitsLoss', input, target, options, kReduction);
  // max(x, 0) - x t + log(1 + exp(-|x|)): the large terms cancel before the small one is added.
  const losses = noGrad(() => {
    using positive = relu(input);
    using product = mul(input, target);
    using linear = sub(positive, product);
    using magnitude = abs(input);
    using opposite = neg(magnitude);
    using rest = softplus(opposite);
    return add(linear, rest);
  });
  record({ input, target }, losses, { input, target }, (grad, saved, wants) => ({
    input: wants.input ? logitGrad(grad, saved.input, saved.target) : null,
    target: wants.target ? logitTargetGrad(grad, saved.input) : null,
  }));
  return reduceLoss(losses, options);
}

/** grad (sigmoid(x) - t) */
function logitGrad(grad: Tensor, x: Tensor, t: Tensor): Tensor {
  using probability = sigmoid(x);
  using error = sub(probability, t);
  return mul(grad, error);
}

/** -grad x */
function logitTargetGrad(grad: Tensor, x: Tensor): Tensor {
  using product = mul(grad, x);
  return neg(product);
}
