import { checkAtLeastZero, checkCount, checkNames, refuseOption } from '../options.js';
import { Schedule, type Scheduled } from './schedule.js';

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
    checkNames('CosineWithWarmup', options, {
      totalSteps: true,
      warmupSteps: 0,
      minLr: 0,
    });
    this.#totalSteps = checkCount('totalSteps', options.totalSteps);
    this.#warmupSteps = checkCount('warmupSteps', options.warmupSteps ?? 0, 0);
    if (this.#warmupSteps >= this.#totalSteps) {
      refuseOption('warmupSteps', `fewer than totalSteps ${this.#totalSteps}`, this.#warmupSteps);
    }
    this.#minLr = checkAtLeastZero('minLr', options.minLr ?? 0);
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
