import { ConvLSTMError } from '../errors.js';
import {
  add,
  concat,
  conv2d,
  div,
  mean,
  mul,
  reshape,
  slice,
  square,
  sub,
} from '../functional/index.js';
import { kC1, kC2, kGauss, kWindow } from '../metrics/ssim.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { checkAlike, kReduction, type LossOptions, reduceLoss } from './reduction.js';

/** Filters frames [N, 1, H, W] by the Gaussian window: columns, then rows. */
function blur(frames: Tensor): Tensor {
  const { device } = frames;
  using down = Tensor.from(kGauss, [1, 1, kWindow, 1], { device });
  using across = Tensor.from(kGauss, [1, 1, 1, kWindow], { device });
  using columns = conv2d(frames, down, null, { precision: 'highest' });
  return conv2d(columns, across, null, { precision: 'highest' });
}

/** Window means of a, b, a a, b b and a b, each [N, 1, H', W']. */
function moments(a: Tensor, b: Tensor): Tensor[] {
  const count = a.shape[0]!;
  using squareA = square(a);
  using squareB = square(b);
  using product = mul(a, b);
  using all = concat([a, b, squareA, squareB, product]);
  using averages = blur(all);
  return Array.from({ length: 5 }, (_, index) =>
    slice(averages, [index * count], [(index + 1) * count]),
  );
}

/** (2 x + c) / (y + c) */
function ratio(x: Tensor, y: Tensor, c: number): Tensor {
  using twice = mul(x, 2);
  using numerator = add(twice, c);
  using denominator = add(y, c);
  return div(numerator, denominator);
}

/** weight * input + (1 - weight) * target */
function mix(input: Tensor, target: Tensor, weight: Tensor): Tensor {
  using rest = sub(1, weight);
  using own = mul(weight, input);
  using other = mul(rest, target);
  return add(own, other);
}

/** Similarity at each position of the window, [N, 1, H', W']. */
function similarity(a: Tensor, b: Tensor): Tensor {
  const averages = moments(a, b);
  const [meanA, meanB, meanSquareA, meanSquareB, meanProduct] = averages as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  using productOfMeans = mul(meanA, meanB);
  using squareMeanA = square(meanA);
  using squareMeanB = square(meanB);
  using squaresOfMeans = add(squareMeanA, squareMeanB);
  using meanSquares = add(meanSquareA, meanSquareB);
  using covariance = sub(meanProduct, productOfMeans);
  using variances = sub(meanSquares, squaresOfMeans);
  for (const average of averages) average.dispose();
  using luminance = ratio(productOfMeans, squaresOfMeans, kC1);
  using structure = ratio(covariance, variances, kC2);
  return mul(luminance, structure);
}

/**
 * 1 - structural similarity of frames with values 0..1, differentiable; the same number as `ssim` (Gaussian
 * window of 11x11, sigma 1.5).
 *
 * @param input [..., H, W], height and width at least 11
 * @param target same shape. With `weight`, pixels are mixed with the target by it: one of weight 0 counts
 *   as equal, and its gradient is 0
 * @returns a single number, or one per frame, [...], with reduction `'none'`
 * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION
 * @example
 * ```ts
 * const loss = ssimLoss(forecast, target).add(l1Loss(forecast, target));
 * ```
 */
export function ssimLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkAlike('ssimLoss', input, target, options, kReduction);
  const [height = 0, width = 0] = input.shape.slice(-2);
  if (input.shape.length < 2 || height < kWindow || width < kWindow) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `ssimLoss: input: expected [..., H, W] of at least [${kWindow}, ${kWindow}], got ${formatShape(input.shape)}`,
    );
  }
  const frames = [input.size / (height * width), 1, height, width];
  using seen = options.weight ? mix(input, target, options.weight) : reshape(input, input.shape);
  using a = reshape(seen, frames);
  using b = reshape(target, frames);
  using places = similarity(a, b);
  using scores = mean(places, [1, 2, 3]);
  using losses = sub(1, scores);
  const { reduction } = options;
  return reduceLoss(reshape(losses, input.shape.slice(0, -2)), { reduction });
}
