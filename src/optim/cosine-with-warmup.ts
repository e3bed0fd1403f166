import { ConvLSTMError } from '../errors.js';
import { checkCount, checkNames } from '../options.js';
import { checkAtLeastZero } from './options.js';
import { isCount, Schedule, type Scheduled } from './schedule.js';

/** Options of `CosineWithWarmup`. */
export interface CosineWithWarmupOptions {
  /** Steps until the end, those of the warm-up included. */
  totalSteps: number;
  /** Default 0. */
  warmupSteps?: number | undefined;
  /** Where the rate ends; default 0. */
  minLr?: number | undefined;
}

/**
 * The rate rises in a straight line over `warmupSteps` steps, from its share of one step, and then
 * falls to `minLr` along half a cosine, as PyTorch's `CosineAnnealingLR`; there it stays.
 *
 * @example
 * ```ts
 * const schedule = new CosineWithWarmup(adam, { totalSteps: 10_000, warmupSteps: 500 });
 * ```
 */
export class CosineWithWarmup extends Schedule {
  readonly #totalSteps: number;
  readonly #warmupSteps: number;
  readonly #minLr: number;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(optimizer: Scheduled, options: CosineWithWarmupOptions) {
    super(optimizer);
    checkNames('CosineWithWarmup', options, ['totalSteps', 'warmupSteps', 'minLr']);
    this.#totalSteps = checkCount('totalSteps', options.totalSteps);
    this.#warmupSteps = options.warmupSteps ?? 0;
    if (!isCount(this.#warmupSteps) || this.#warmupSteps >= this.#totalSteps) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        `warmupSteps: expected an integer from 0 to below totalSteps ${this.#totalSteps}, got ${this.#warmupSteps}`,
      );
    }
    this.#minLr = options.minLr ?? 0;
    checkAtLeastZero({ minLr: this.#minLr });
    this.apply();
  }

  /** @internal */
  protected override rate(baseLr: number, steps: number): number {
    if (steps < this.#warmupSteps) return (baseLr * (steps + 1)) / this.#warmupSteps;
    const length = this.#totalSteps - this.#warmupSteps;
    const progress = Math.min(1, (steps - this.#warmupSteps) / length);
    return this.#minLr + ((baseLr - this.#minLr) * (1 + Math.cos(Math.PI * progress))) / 2;
  }
}
