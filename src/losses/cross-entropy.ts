import { noGrad } from '../autograd/grad-mode.js';
import { ConvLSTMError } from '../errors.js';
import { div, equal, exp, log, max, mul, neg, reshape, sub, sum } from '../functional/index.js';
import { refuseOption } from '../options.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { checkCall, kReduction, type LossOptions, reduceLoss } from './reduction.js';

/** log(softmax(x)) along axis 1. */
function logSoftmax(x: Tensor): Tensor {
  // The maximum cancels out: it needs no gradient.
  using largest = noGrad(() => max(x, 1, { keepDim: true }));
  using shifted = sub(x, largest);
  using powers = exp(shifted);
  using total = sum(powers, 1, { keepDim: true });
  using logTotal = log(total);
  return sub(shifted, logTotal);
}

/** Class indices [B, ...] to one-hot [B, C, ...]; NaN for an index that is not a class. */
function oneHot(indices: Tensor, classes: number): Tensor {
  const [batch, ...places] = indices.shape;
  using column = reshape(indices, [batch!, 1, ...places]);
  using numbers = Tensor.from(
    Float32Array.from({ length: classes }, (_, index) => index),
    [classes, ...places.map(() => 1)],
    { device: indices.device },
  );
  using chosen = equal(column, numbers);
  using count = sum(chosen, 1, { keepDim: true });
  return div(chosen, count);
}

/**
 * Cross-entropy of softmax(input) along axis 1, as PyTorch's `cross_entropy`.
 *
 * @param input logits [B, C, ...]
 * @param target class indices [B, ...], or probabilities of the shape of `input`. An index outside 0..C - 1
 *   makes the loss NaN
 * @returns a single number, or [B, ...] with reduction `'none'`
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const logits = Tensor.randn([2, 5]);
 * const loss = crossEntropyLoss(logits, Tensor.from([3, 0]));
 * ```
 */
export function crossEntropyLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkCall('crossEntropyLoss', input, target, options, kReduction);
  if (input.shape.length < 2) {
    const message = `crossEntropyLoss: input: expected [B, C, ...], got ${formatShape(input.shape)}`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
  const places = input.shape.toSpliced(1, 1);
  const isIndices = sameShape(target.shape, places);
  if (!isIndices && !sameShape(target.shape, input.shape)) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `crossEntropyLoss: target: expected class indices ${formatShape(places)} or probabilities ` +
        `${formatShape(input.shape)}, got ${formatShape(target.shape)}`,
    );
  }
  if (options.weight && !isIndices) {
    refuseOption('weight', 'none for probabilities, one per class index', options.weight);
  }
  using probabilities = isIndices ? oneHot(target, input.shape[1]!) : reshape(target, target.shape);
  using logarithms = logSoftmax(input);
  using products = mul(probabilities, logarithms);
  using sums = sum(products, 1);
  return reduceLoss(neg(sums), options);
}
