/** What a forecast is held against: persistence, and its dependence on the input. */
import { noGrad } from '../autograd/grad-mode.js';
import type { WeightedSample } from '../data/model-sequences.js';
import type { Forecaster } from '../models/forecaster.js';
import { Tensor } from '../tensor/tensor.js';
import type { TrainConfig } from './config.js';
import { lossNamed } from './losses.js';
import type { LossFunction } from './trainer-options.js';

/** Least probability of a persistence forecast as a logit: a pixel that is 0 is not certainly so. */
const kLeastProbability = 1e-3;

/** Loss of persistence: the last frame of the input repeated. */
export function persistenceLoss(
  config: TrainConfig,
  model: Forecaster,
): LossFunction<WeightedSample> {
  const { ofLogits = false, compute } = lossNamed(config.loss);
  return ({ input, target, weight }) => {
    const last = model.normalize(input.slice([null, -1]));
    const repeated = Tensor.concat(new Array<Tensor>(target.shape[1]!).fill(last), 1);
    const p = repeated.maximum(kLeastProbability).minimum(1 - kLeastProbability);
    const forecast = ofLogits ? p.div(p.neg().add(1)).log() : repeated;
    const weights = weight?.slice([null, input.shape[1]!]);
    return compute(forecast, model.normalize(target), { weight: weights }, (values) =>
      model.denormalize(values),
    );
  };
}

/** Mean over pixels of the variance over arrays of equal length. */
function variance(arrays: readonly Float32Array[]): number {
  const length = arrays[0]!.length;
  let total = 0;
  for (let i = 0; i < length; i++) {
    let [sum, squares] = [0, 0];
    for (const values of arrays) {
      sum += values[i]!;
      squares += values[i]! ** 2;
    }
    const mean = sum / arrays.length;
    total += Math.max(0, squares / arrays.length - mean ** 2);
  }
  return total / length;
}

/**
 * Variance of forecasts over inputs, relative to that of the targets, in the model's units: near 0 for a
 * model that forecasts the same whatever it sees. Null where the targets do not vary.
 */
export async function dependence(
  model: Forecaster,
  samples: readonly WeightedSample[],
): Promise<number | null> {
  const { device } = model.head.weight;
  const [forecasts, targets]: Float32Array[][] = [[], []];
  for (const { input, target } of samples) {
    using x = Tensor.from(input.data, [1, ...input.shape], { device });
    using truth = Tensor.from(target.data, [1, ...target.shape], { device });
    using forecast = noGrad(() => model.forward(x, target.shape[0]!));
    using own = noGrad(() => model.normalize(forecast));
    using other = noGrad(() => model.normalize(truth));
    forecasts!.push(await own.data());
    targets!.push(await other.data());
  }
  if (samples.length < 2) return null;
  const varied = variance(targets!);
  return varied > 0 ? variance(forecasts!) / varied : null;
}

/** Ratio of variances below which a forecast does not depend on its input. */
const kIndependent = 1e-3;

/** Warning of forecasts that do not depend on the input; null for others. */
export function independenceWarning(ratio: number | null): string | null {
  if (ratio === null || ratio >= kIndependent) return null;
  return (
    `forecasts do not depend on the input: their variance over inputs is ${ratio.toExponential(1)} of the ` +
    "targets'; if it stays so, try a higher initialization.gain, model.transform 'sqrt' or 'log', or another lr"
  );
}
