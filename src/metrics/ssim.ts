import { ConvLSTMError } from '../errors.js';
import { checkSize } from '../options.js';
import { checkValues } from './errors.js';

export const kWindow = 11;
const kSigma = 1.5;
/** (K1 L)^2 and (K2 L)^2 with K1 = 0.01, K2 = 0.03 and data range L = 1. */
export const kC1 = 0.01 ** 2;
export const kC2 = 0.03 ** 2;

export const kGauss = gaussian();

function gaussian(): Float64Array {
  const weights = Float64Array.from({ length: kWindow }, (_, i) =>
    Math.exp(-((i - (kWindow - 1) / 2) ** 2) / (2 * kSigma ** 2)),
  );
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** Number of window means: of a, b, a a, b b, a b. */
const kMoments = 5;

/**
 * Structural similarity of two frames with values 0..1 (Wang et al. 2004): the mean of
 * (2 μa μb + C1)(2 σab + C2) / ((μa² + μb² + C1)(σa² + σb² + C2)) over all positions of a Gaussian window
 * of 11x11, σ = 1.5, inside the frame; K1 = 0.01, K2 = 0.03, data range 1, variances with
 * weights that sum to 1. scikit-image's `structural_similarity(a, b, data_range=1, gaussian_weights=True,
 * use_sample_covariance=False)` gives the same number. Windows with a missing pixel, NaN in the truth, do
 * not count; without any other the result is NaN.
 *
 * @param size height and width, each at least 11
 * @throws ConvLSTMError ERR_SHAPE for a smaller frame or for lengths that do not fit, ERR_OPTION for a
 *   malformed size or anything but a Float32Array.
 * @example
 * ```ts
 * ssim(forecast, truth, [64, 64]);   // 1 for equal frames
 * ```
 */
export function ssim(
  forecast: Float32Array,
  truth: Float32Array,
  size: readonly [number, number],
): number {
  for (const [name, frame] of Object.entries({ forecast, truth })) checkValues(name, frame);
  const [height, width] = checkSize('size', size);
  if (height < kWindow || width < kWindow) {
    const message = `size: expected at least [${kWindow}, ${kWindow}], got [${size}]`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
  for (const [name, frame] of Object.entries({ forecast, truth })) {
    if (frame.length !== height * width) {
      const message = `${name}: expected ${height * width} values for [${size}], got ${frame.length}`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    }
  }
  const rows = height - kWindow + 1;
  const columns = width - kWindow + 1;
  // Separable window: columns first, then rows.
  const vertical = new Float64Array(kMoments * width);
  let [sum, count] = [0, 0];
  for (let y = 0; y < rows; y++) {
    vertical.fill(0);
    for (let k = 0; k < kWindow; k++) {
      const weight = kGauss[k]!;
      const row = (y + k) * width;
      for (let x = 0; x < width; x++) {
        const a = forecast[row + x]!;
        const b = truth[row + x]!;
        const at = kMoments * x;
        vertical[at]! += weight * a;
        vertical[at + 1]! += weight * b;
        vertical[at + 2]! += weight * a * a;
        vertical[at + 3]! += weight * b * b;
        vertical[at + 4]! += weight * a * b;
      }
    }
    for (let x = 0; x < columns; x++) {
      let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
      for (let k = 0; k < kWindow; k++) {
        const weight = kGauss[k]!;
        const at = kMoments * (x + k);
        a += weight * vertical[at]!;
        b += weight * vertical[at + 1]!;
        aa += weight * vertical[at + 2]!;
        bb += weight * vertical[at + 3]!;
        ab += weight * vertical[at + 4]!;
      }
      if (Number.isNaN(b)) continue;
      count++;
      const similar = (2 * a * b + kC1) * (2 * (ab - a * b) + kC2);
      sum += similar / ((a * a + b * b + kC1) * (aa - a * a + bb - b * b + kC2));
    }
  }
  return sum / count;
}
