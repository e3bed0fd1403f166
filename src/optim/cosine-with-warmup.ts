import { checkAtLeastZero, checkCount, checkNames, refuseOption } from '../options.js';
import { Schedule, type Scheduled } from './schedule.js';

/** Options of `CosineWithWarmup`. */
export interface CosineWithWarmupOptions {
  /** Steps of the whole schedule, warm-up included. */
  totalSteps: number;
  /** Steps of linear warm-up; default 0. */
  warmupSteps?: number | undefined;
  /** Rate at the end; default 0. */
  minLr?: number | undefined;
}

/**
 * Linear warm-up over `warmupSteps` steps, the first at lr / warmupSteps, then half a cosine down to
 * `minLr`, as PyTorch's `CosineAnnealingLR`, and constant afterwards.
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
