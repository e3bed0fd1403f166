import { checkAtLeastZero, checkCount, checkNames } from '../options.js';
import { Schedule, type Scheduled } from './schedule.js';

/** Options of `StepLR`. */
export interface StepLROptions {
  /** Steps between two changes of the rate. */
  stepSize: number;
  /** Factor on the rate at each change; default 0.1. */
  gamma?: number | undefined;
}

/**
 * Multiplies the rate by `gamma` after every `stepSize` steps, as PyTorch's `StepLR`.
 *
 * @example
 * ```ts
 * const schedule = new StepLR(sgd, { stepSize: 30 });
 * for (let epoch = 0; epoch < 90; epoch++) {
 *   await trainOneEpoch(net, sgd);
 *   schedule.step();
 * }
 * ```
 */
export class StepLR extends Schedule {
  readonly #stepSize: number;
  readonly #gamma: number;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(optimizer: Scheduled, options: StepLROptions) {
    super(optimizer);
    checkNames('StepLR', options, { stepSize: true, gamma: 0.1 });
    this.#stepSize = checkCount('stepSize', options.stepSize);
    this.#gamma = checkAtLeastZero('gamma', options.gamma ?? 0.1);
    this.apply();
  }

  /** @internal */
  protected override rate(baseLr: number, steps: number): number {
    return baseLr * this.#gamma ** Math.floor(steps / this.#stepSize);
  }
}
