/** A look at a run's data before training: missing values, range, mean. */

import { noGrad } from '../autograd/grad-mode.js';
import type { Dataset, SequenceSample } from '../data/dataset.js';
import { fillMissing, missingTest } from '../data/missing.js';
import { ConvLSTMError } from '../errors.js';
import type { NdArray } from '../io/nd-array.js';
import type { Forecaster } from '../models/forecaster.js';
import { Tensor } from '../tensor/tensor.js';
import { formatNumber } from './chart.js';
import type { TrainConfig } from './config.js';
import { lossNamed } from './losses.js';

/** Windows looked at, evenly spread over a split. */
const kWindows = 32;

/** Rounding of a value that is 1 in the model's units. */
const kTolerance = 1e-5;

/** What a look at data finds. */
export interface DataLook {
  /** For people, one line each. */
  warnings: string[];
  /** Mean of the targets by channel, in the model's units. */
  means: number[];
}

/** A data set that names the file of a frame. */
interface NamesFiles {
  fileOf(window: number, frame: number): Promise<string>;
}

async function placeOf(data: Dataset, window: number, frame: number): Promise<string> {
  const named = data as Partial<NamesFiles>;
  const where = `window ${window}, frame ${frame}`;
  return named.fileOf ? `${await named.fileOf(window, frame)} (${where})` : where;
}

/** A window; null for one that cannot be read, which training names when it comes to it. */
async function readable(data: Dataset<SequenceSample>, window: number) {
  try {
    return await data.get(window, 0);
  } catch {
    return null;
  }
}

/** `count` numbers from 0 to `length` - 1, evenly spread, the first always. @internal */
export function spread(length: number, count: number): number[] {
  const number = Math.min(length, count);
  return Array.from({ length: number }, (_, n) => Math.floor((n * length) / number));
}

/** Values in the model's units. */
async function modelUnits(model: Forecaster, frames: Readonly<NdArray>): Promise<Float32Array> {
  using raw = Tensor.from({ data: frames.data, shape: [...frames.shape] });
  using normalized = noGrad(() => model.normalize(raw));
  return normalized.data();
}

/** The scale that brings values up to `most` into 0..1: 255 for grey values of a byte. */
function scaleFor(most: number): number {
  return Number.isInteger(most) && most <= 255 ? 255 : Number(most.toPrecision(2));
}

function refuseRange(config: TrainConfig, place: string, value: number): never {
  const { loss, model } = config;
  const cure =
    value < 0
      ? `set "missing": ${formatNumber(value)} in model if it means missing, or another loss`
      : `set "scale": ${scaleFor(value)} in model`;
  const message =
    `loss: '${loss}' needs values from 0 to model.scale, ${model.scale}, and has no minimum for others; ` +
    `${place} has ${formatNumber(value)}: ${cure}`;
  throw new ConvLSTMError('ERR_OPTION', message);
}

/**
 * Looks at up to 32 windows, evenly spread.
 *
 * @throws ConvLSTMError ERR_OPTION for values for which the loss has no minimum, with file and field;
 *   ERR_NOT_FINITE for missing values alone
 */
export async function lookAtData(
  config: TrainConfig,
  model: Forecaster,
  data: Dataset<SequenceSample>,
): Promise<DataLook> {
  const { missing, channels, output, scale } = config.model;
  const { range } = lossNamed(config.loss);
  const isMissing = missingTest(missing);
  const sums = new Float64Array(channels);
  const counts = new Float64Array(channels);
  let gaps = 0;
  let total = 0;
  let firstGap: string | null = null;
  let outside: { place: string; value: number } | null = null;
  for (const window of spread(data.length, kWindows)) {
    const sample = await readable(data, window);
    if (sample === null) continue;
    const { input, target } = sample;
    for (const [first, frames] of [
      [0, input],
      [input.shape[0]!, target],
    ] as const) {
      const values = await modelUnits(model, fillMissing(frames, missing));
      const area = values.length / (frames.shape[0]! * channels);
      for (let i = 0; i < values.length; i++) {
        const plane = Math.floor(i / area);
        const frame = first + Math.floor(plane / channels);
        const raw = frames.data[i]!;
        total++;
        if (isMissing(raw)) {
          gaps++;
          firstGap ??= await placeOf(data, window, frame);
          continue;
        }
        const value = values[i]!;
        if (value < -kTolerance || value > 1 + kTolerance) {
          outside ??= { place: await placeOf(data, window, frame), value: raw };
          if (Math.abs(raw) > Math.abs(outside.value)) outside = { ...outside, value: raw };
        }
        if (frames !== target) continue;
        sums[plane % channels]! += value;
        counts[plane % channels]!++;
      }
    }
  }
  if (firstGap !== null && gaps === total) {
    const message = `data: expected values, got missing ones alone, first in ${firstGap}`;
    throw new ConvLSTMError('ERR_NOT_FINITE', message);
  }
  if (outside && range) refuseRange(config, outside.place, outside.value);
  const warnings: string[] = [];
  if (firstGap !== null) {
    const share = formatNumber(Number(((100 * gaps) / total).toPrecision(2)));
    warnings.push(
      `${firstGap} has missing values (NaN or not finite${missing === null ? '' : `, or ${missing}`}), ` +
        `${share}% of those looked at: 0 for the network, without weight in the loss`,
    );
  }
  if (outside && output === 'sigmoid') {
    warnings.push(
      `${outside.place} has ${formatNumber(outside.value)}, outside 0 to model.scale, ${scale}, which output ` +
        `'sigmoid' cannot reach: set "scale": ${scaleFor(Math.abs(outside.value))} or "output": "linear" in model`,
    );
  }
  return { warnings, means: Array.from(sums, (sum, c) => sum / Math.max(1, counts[c]!)) };
}

/** Least distance of a mean from 0 and 1: the logarithm of the odds stays within 7. */
const kLeastShare = 1e-3;

/** Sets the head's bias so that the first forecasts have the data's mean. */
export function setHeadBias(model: Forecaster, means: readonly number[]): void {
  const { patchSize, output } = model.description;
  const biases = means.flatMap((mean) => {
    const share = Math.min(1 - kLeastShare, Math.max(kLeastShare, mean));
    const bias = output === 'sigmoid' ? Math.log(share / (1 - share)) : mean;
    return new Array<number>(patchSize ** 2).fill(bias);
  });
  const { bias } = model.head;
  noGrad(() => bias!.assign(Tensor.from(biases, [biases.length], { device: bias!.device })));
}
