/** Losses that a configuration can name; a new loss is one row. */
import {
  balancedMseMae,
  bceWithLogitsLoss,
  huberLoss,
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
  /** Least height and width of a frame in pixels; default 1. */
  leastSize?: number;
  /**
   * @param forecast frames, or logits, in the model's units
   * @param truth frames in the model's units
   * @param scale frame value that is 1 in the model's units
   */
  compute(forecast: Tensor, truth: Tensor, scale: number): Tensor;
}

export const kLosses = {
  bce: {
    note: "'bce' needs output 'sigmoid'",
    ofLogits: true,
    compute: (logits, truth) => bceWithLogitsLoss(logits, truth),
  },
  mse: { compute: (forecast, truth) => mseLoss(forecast, truth) },
  l1: { compute: (forecast, truth) => l1Loss(forecast, truth) },
  huber: { compute: (forecast, truth) => huberLoss(forecast, truth) },
  ssim: { leastSize: kWindow, compute: (forecast, truth) => ssimLoss(forecast, truth) },
  balanced: {
    note: "'balanced' is the B-MSE + B-MAE of Shi et al. 2017, for frames in mm/h",
    compute: (forecast, truth, scale) => balancedMseMae(forecast.mul(scale), truth.mul(scale)),
  },
} satisfies Record<string, Loss>;

export type LossName = keyof typeof kLosses;

export const kLossNames = Object.keys(kLosses) as LossName[];

export function lossNamed(name: LossName): Loss {
  return kLosses[name];
}
