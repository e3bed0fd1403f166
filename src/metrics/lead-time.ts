import { ConvLSTMError } from '../errors.js';
import { checkNdArray, type NdArray } from '../io/nd-array.js';
import { checkCount } from '../options.js';
import { absoluteError, crossEntropy, squaredError } from './errors.js';
import { kWindow, ssim } from './ssim.js';

/**
 * Scores by lead time: entry k is the mean over the batch of the forecasts k + 1 frames ahead. Frames whose
 * truth is missing as a whole do not count; NaN where no frame does.
 */
export interface LeadTimeScores {
  /** Squared error summed over a frame. */
  squaredError: number[];
  /** Absolute error summed over a frame. */
  absoluteError: number[];
  /** Cross-entropy summed over a frame. */
  crossEntropy: number[];
  /** Structural similarity, a mean over channels. */
  ssim: number[];
}

type Sizes = readonly [
  batch: number,
  time: number,
  channels: number,
  height: number,
  width: number,
];

function sizesOf(name: string, array: Readonly<NdArray>): Sizes {
  checkNdArray(name, array);
  const { data, shape } = array;
  const [batch = 0, time = 0, channels = 0, height = 0, width = 0] = shape;
  if (shape.length !== 5 || data.length === 0) {
    const message = `${name}: expected [B, T, C, H, W], got [${shape.join(', ')}] with ${data.length} values`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
  return [batch, time, channels, height, width];
}

function newFrames(batch: number, steps: number, size: number): Float32Array {
  try {
    return new Float32Array(batch * steps * size);
  } catch (cause) {
    const message = `steps: ${steps} of ${batch} x ${size} values do not fit into memory`;
    throw new ConvLSTMError('ERR_OUT_OF_MEMORY', message, { cause });
  }
}

/**
 * Persistence forecast, the baseline for any other: the last frame repeated.
 *
 * @param frames [B, T, C, H, W]
 * @returns [B, steps, C, H, W]
 * @throws ConvLSTMError ERR_SHAPE for frames of another shape, ERR_OPTION for anything but an array of
 *   frames or a count of steps, ERR_OUT_OF_MEMORY
 * @example
 * ```ts
 * const baseline = scoreByLeadTime(persistence(context, 10), truth);
 * ```
 */
export function persistence(frames: Readonly<NdArray>, steps: number): NdArray {
  const [batch, time, ...frame] = sizesOf('frames', frames);
  checkCount('steps', steps);
  const size = frames.data.length / (batch * time);
  const data = newFrames(batch, steps, size);
  for (let n = 0; n < batch; n++) {
    const last = frames.data.subarray(((n + 1) * time - 1) * size, (n + 1) * time * size);
    for (let k = 0; k < steps; k++) data.set(last, (n * steps + k) * size);
  }
  return { data, shape: [batch, steps, ...frame] };
}

/**
 * Scores forecasts with values 0..1 against the truth, for each lead time. Pixels whose truth is NaN are
 * missing and do not count: sums over a frame are over its other pixels.
 *
 * @param forecast [B, T, C, H, W], height and width at least 11
 * @param truth same shape
 * @throws ConvLSTMError ERR_SHAPE for other shapes, ERR_OPTION for anything but an array
 * @example
 * ```ts
 * const { squaredError, ssim } = scoreByLeadTime(forecast, truth);
 * console.log(`ten frames ahead: ${squaredError[9]} ${ssim[9]}`);
 * ```
 */
export function scoreByLeadTime(
  forecast: Readonly<NdArray>,
  truth: Readonly<NdArray>,
): LeadTimeScores {
  const sizes = sizesOf('truth', truth);
  if (sizesOf('forecast', forecast).some((size, axis) => size !== sizes[axis])) {
    const message = `forecast: expected [${truth.shape.join(', ')}] like the truth, got [${forecast.shape.join(', ')}]`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
  const [batch, time, channels, height, width] = sizes;
  if (Math.min(height, width) < kWindow) {
    const message = `truth: expected frames of at least ${kWindow}x${kWindow}, got [${truth.shape.join(', ')}]`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
  const area = height * width;
  const zeros = () => new Array<number>(time).fill(0);
  const scores = {
    squaredError: zeros(),
    absoluteError: zeros(),
    crossEntropy: zeros(),
    ssim: zeros(),
  };
  const counts = { frames: zeros(), ssim: zeros() };
  for (let plane = 0; plane < batch * time * channels; plane++) {
    const lead = Math.floor(plane / channels) % time;
    const got = forecast.data.subarray(plane * area, (plane + 1) * area);
    const expected = truth.data.subarray(plane * area, (plane + 1) * area);
    if (expected.every(Number.isNaN)) continue;
    counts.frames[lead]!++;
    scores.squaredError[lead]! += squaredError(got, expected);
    scores.absoluteError[lead]! += absoluteError(got, expected);
    scores.crossEntropy[lead]! += crossEntropy(got, expected);
    const hasWindow = !expected.some(Number.isNaN) || hasWholeWindow(expected, height, width);
    if (!hasWindow) continue;
    counts.ssim[lead]!++;
    scores.ssim[lead]! += ssim(got, expected, [height, width]);
  }
  const perFrame = (sums: readonly number[]) =>
    sums.map((sum, lead) => (sum * channels) / counts.frames[lead]!);
  return {
    squaredError: perFrame(scores.squaredError),
    absoluteError: perFrame(scores.absoluteError),
    crossEntropy: perFrame(scores.crossEntropy),
    ssim: scores.ssim.map((sum, lead) => sum / counts.ssim[lead]!),
  };
}

/** Whether some window of SSIM has no missing pixel: that of the truth with itself is then a number. */
function hasWholeWindow(truth: Float32Array, height: number, width: number): boolean {
  return !Number.isNaN(ssim(truth, truth, [height, width]));
}
