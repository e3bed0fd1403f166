import { ConvLSTMError, show } from '../errors.js';
import { checkAtLeastZero, checkChoice, checkCount, checkNames, refuseOption } from '../options.js';
import { checkOptimizer, isCount, type Scheduled } from './schedule.js';

/** Options of `ReduceLROnPlateau`, with PyTorch's names and defaults. */
export interface ReduceLROnPlateauOptions {
  /** Whether a smaller or a larger metric is better; default `'min'`. */
  mode?: 'min' | 'max' | undefined;
  /** Factor on the rates at a reduction; default 0.1. */
  factor?: number | undefined;
  /** Steps without improvement before a reduction; default 10. */
  patience?: number | undefined;
  /** Least change that counts as an improvement; default 1e-4. */
  threshold?: number | undefined;
  /** Whether `threshold` is relative to the best metric or absolute; default `'rel'`. */
  thresholdMode?: 'rel' | 'abs' | undefined;
  /** Steps after a reduction that do not count as a plateau; default 0. */
  cooldown?: number | undefined;
  /** Lower bound of the rates; default 0. */
  minLr?: number | undefined;
  /** Least reduction that is made; default 1e-8. */
  eps?: number | undefined;
}

type Settings = {
  [K in keyof ReduceLROnPlateauOptions]-?: NonNullable<ReduceLROnPlateauOptions[K]>;
};

const kDefaults: Settings = {
  mode: 'min',
  factor: 0.1,
  patience: 10,
  threshold: 1e-4,
  thresholdMode: 'rel',
  cooldown: 0,
  minLr: 0,
  eps: 1e-8,
};

function checkSettings(settings: Settings): void {
  const { mode, thresholdMode, factor, patience, threshold, cooldown, minLr, eps } = settings;
  for (const [name, value] of Object.entries({ factor, threshold, minLr, eps })) {
    checkAtLeastZero(name, value);
  }
  if (factor >= 1) refuseOption('factor', 'a number below 1', factor);
  checkCount('patience', patience, 0);
  checkCount('cooldown', cooldown, 0);
  checkChoice('mode', mode, ['min', 'max']);
  checkChoice('thresholdMode', thresholdMode, ['rel', 'abs']);
}

/** State of a `ReduceLROnPlateau`. */
export interface PlateauStateDict {
  /** The best metric so far; null before the first. */
  best: number | null;
  /** Steps without improvement since then. */
  badSteps: number;
  /** Steps of the cooldown that are left. */
  cooldownLeft: number;
}

/**
 * Multiplies the rates by `factor` when a metric has not improved for more than `patience` steps, as
 * PyTorch's `ReduceLROnPlateau`. The rates themselves are part of the optimizer's state.
 *
 * @example
 * ```ts
 * const schedule = new ReduceLROnPlateau(adam, { factor: 0.5, patience: 3 });
 * schedule.step(await validationLoss.item());
 * ```
 */
export class ReduceLROnPlateau {
  readonly #optimizer: Scheduled;
  readonly #settings: Settings;
  #best: number | null = null;
  #badSteps = 0;
  #cooldownLeft = 0;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(optimizer: Scheduled, options: ReduceLROnPlateauOptions = {}) {
    checkNames('ReduceLROnPlateau', options, kDefaults);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#optimizer = checkOptimizer(optimizer);
    this.#settings = { ...kDefaults, ...Object.fromEntries(given) };
    checkSettings(this.#settings);
  }

  /** The rates of the optimizer's groups. */
  get lrs(): number[] {
    return this.#optimizer.groups.map(({ lr }) => lr);
  }

  /** Takes the metric of an epoch. NaN and infinities are no improvement. */
  step(metric: number): void {
    const { patience, cooldown, factor, minLr, eps } = this.#settings;
    if (this.#improves(metric)) {
      this.#best = metric;
      this.#badSteps = 0;
    } else {
      this.#badSteps++;
    }
    if (this.#cooldownLeft > 0) {
      this.#cooldownLeft--;
      this.#badSteps = 0;
    }
    if (this.#badSteps <= patience) return;
    for (const group of this.#optimizer.groups) {
      const lr = Math.max(group.lr * factor, minLr);
      if (group.lr - lr > eps) group.lr = lr;
    }
    this.#cooldownLeft = cooldown;
    this.#badSteps = 0;
  }

  #improves(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#settings;
    if (this.#best === null || !Number.isFinite(metric)) return Number.isFinite(metric);
    const sign = mode === 'min' ? -1 : 1;
    const margin = thresholdMode === 'rel' ? this.#best * threshold : threshold;
    const bound = this.#best + sign * margin;
    return mode === 'min' ? metric < bound : metric > bound;
  }

  /** State for `loadStateDict`, as JSON. */
  stateDict(): PlateauStateDict {
    return { best: this.#best, badSteps: this.#badSteps, cooldownLeft: this.#cooldownLeft };
  }

  /**
   * Restores the state of `stateDict()`.
   *
   * @returns this schedule
   * @throws ConvLSTMError ERR_STATE_DICT for anything else
   */
  loadStateDict(dict: unknown): this {
    const state = dict as Partial<PlateauStateDict> | null;
    const { best, badSteps, cooldownLeft } = state ?? {};
    if (!(best === null || Number.isFinite(best)) || !isCount(badSteps) || !isCount(cooldownLeft)) {
      throw new ConvLSTMError(
        'ERR_STATE_DICT',
        `ReduceLROnPlateau: expected { best, badSteps, cooldownLeft }, got ${show(dict)}`,
      );
    }
    this.#best = best as number | null;
    this.#badSteps = badSteps;
    this.#cooldownLeft = cooldownLeft;
    return this;
  }
}
