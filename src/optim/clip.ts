import { noGrad } from '../autograd/grad-mode.js';
import {
  add,
  concat,
  div,
  maximum,
  minimum,
  mul,
  reshape,
  sqrt,
  square,
  sum,
} from '../functional/index.js';
import { checkAtLeastZero, refuseOption } from '../options.js';
import { Tensor } from '../tensor/tensor.js';

/** Parameters that have a gradient. */
function withGrad(parameters: Iterable<Tensor>): (Tensor & { grad: Tensor })[] {
  if (typeof parameters?.[Symbol.iterator] !== 'function') {
    refuseOption('parameters', 'those of net.parameters()', parameters);
  }
  return [...parameters].filter(
    (parameter): parameter is Tensor & { grad: Tensor } => parameter.grad !== null,
  );
}

function replaceGrad(parameter: Tensor, grad: Tensor): void {
  parameter.grad?.dispose();
  parameter.grad = grad;
}

function squaredNorm(x: Tensor): Tensor {
  using squares = square(x);
  using total = sum(squares);
  return reshape(total, [1]);
}

/**
 * L2 norm of all gradients together, shape [].
 *
 * @internal
 */
export function gradNorm(parameters: Iterable<Tensor>): Tensor {
  return noGrad(() => {
    const squares = withGrad(parameters).map(({ grad }) => squaredNorm(grad));
    if (squares.length === 0) return Tensor.zeros([]);
    using all = concat(squares);
    for (const each of squares) each.dispose();
    using total = sum(all);
    return sqrt(total);
  });
}

/**
 * Scales all gradients by one factor so that their L2 norm together is at most `maxNorm`, as PyTorch's
 * `clip_grad_norm_`. Returns at once; the device computes.
 *
 * @returns the norm before scaling, shape []
 * @throws ConvLSTMError ERR_OPTION for a norm below 0 or anything but parameters, ERR_DEVICE for gradients
 *   on several devices
 * @example
 * ```ts
 * loss.backward();
 * const norm = clipGradNorm(net.parameters(), 1);
 * adam.step();
 * console.log(await norm.item());
 * ```
 */
export function clipGradNorm(parameters: Iterable<Tensor>, maxNorm: number): Tensor {
  checkAtLeastZero('maxNorm', maxNorm);
  return noGrad(() => {
    const clipped = withGrad(parameters);
    const norm = gradNorm(clipped);
    using positive = add(norm, 1e-6);
    using ratio = div(maxNorm, positive);
    using factor = minimum(ratio, 1);
    for (const parameter of clipped) replaceGrad(parameter, mul(parameter.grad, factor));
    return norm;
  });
}

/**
 * Clamps every element of every gradient to [-clipValue, clipValue], as PyTorch's `clip_grad_value_`.
 *
 * @throws ConvLSTMError ERR_OPTION for a value below 0 or anything but parameters
 * @example
 * ```ts
 * loss.backward();
 * clipGradValue(net.parameters(), 0.5);
 * adam.step();
 * ```
 */
export function clipGradValue(parameters: Iterable<Tensor>, clipValue: number): void {
  checkAtLeastZero('clipValue', clipValue);
  noGrad(() => {
    for (const parameter of withGrad(parameters)) {
      using bounded = maximum(parameter.grad, -clipValue);
      replaceGrad(parameter, minimum(bounded, clipValue));
    }
  });
}
