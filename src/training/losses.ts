/** Losses that a configuration can name; a new loss is one row. */
import {
  balancedMseMae,
  bceWithLogitsLoss,
  huberLoss,
  type LossOptions,
  l1Loss,
  mseLoss,
  ssimLoss,
} from '../losses/index.js';
import { kWindow } from '../metrics/ssim.js';
import type { Tensor } from '../tensor/tensor.js';

interface Loss {
  /** Restriction on its use, for the schema. */
  note?: string;
  /** Whether it takes the head's results before the sigmoid; default: it takes frames. */
  ofLogits?: boolean;
  /** Values of the truth, in the model's units, for which it has a minimum; default: all. */
  range?: readonly [least: number, most: number];
  /** Least height and width of a frame in pixels; default 1. */
  leastSize?: number;
  /**
   * @param forecast frames, or logits, in the model's units
   * @param truth frames in the model's units
   * @param options weights of the truth's pixels
   * @param toFrames the model's units to frame units
   */
  compute(
    forecast: Tensor,
    truth: Tensor,
    options: LossOptions,
    toFrames: (values: Tensor) => Tensor,
  ): Tensor;
}

export const kLosses = {
  bce: {
    note: "'bce' needs output 'sigmoid'",
    ofLogits: true,
    range: [0, 1],
    compute: bceWithLogitsLoss,
  },
  mse: { compute: mseLoss },
  l1: { compute: l1Loss },
  huber: { compute: huberLoss },
  ssim: { leastSize: kWindow, compute: ssimLoss },
  balanced: {
    note: "'balanced' is the B-MSE + B-MAE of Shi et al. 2017, for frames in mm/h",
    compute: (forecast, truth, options, toFrames) =>
      balancedMseMae(toFrames(forecast), toFrames(truth), options),
  },
} satisfies Record<string, Loss>;

export type LossName = keyof typeof kLosses;

export const kLossNames = Object.keys(kLosses) as LossName[];

export function lossNamed(name: LossName): Loss {
  return kLosses[name];
}
