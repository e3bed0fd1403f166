import {
  checkChoice,
  checkCount,
  checkFlag,
  checkFraction,
  checkNames,
  checkPositive,
  checkProbability,
} from '../options.js';
import { Schedule, type Scheduled, type ScheduledGroup } from './schedule.js';

/** Options of `OneCycle`. */
export interface OneCycleOptions {
  /** Peak rate, of all groups. */
  maxLr: number;
  /** Steps of the whole cycle. */
  totalSteps: number;
  /** Fraction of the steps in which the rate rises; default 0.3. */
  pctStart?: number | undefined;
  /** The first rate is maxLr / divFactor; default 25. */
  divFactor?: number | undefined;
  /** The last rate is maxLr / divFactor / finalDivFactor; default 1e4. */
  finalDivFactor?: number | undefined;
  /** Shape of both phases; default `'cos'`. */
  annealStrategy?: 'cos' | 'linear' | undefined;
  /**
   * Whether momentum falls while the rate rises and rises while it falls: `momentum` of SGD and RMSprop,
   * `betas[0]` of Adam. Default true.
   */
  cycleMomentum?: boolean | undefined;
  /** Momentum at the peak rate; default 0.85. */
  baseMomentum?: number | undefined;
  /** Momentum at the first and the last step; default 0.95. */
  maxMomentum?: number | undefined;
}

type Settings = { [K in keyof OneCycleOptions]-?: NonNullable<OneCycleOptions[K]> };

const kDefaults: Omit<Settings, 'maxLr' | 'totalSteps'> = {
  pctStart: 0.3,
  divFactor: 25,
  finalDivFactor: 1e4,
  annealStrategy: 'cos',
  cycleMomentum: true,
  baseMomentum: 0.85,
  maxMomentum: 0.95,
};

function checkSettings(settings: Settings): void {
  checkCount('totalSteps', settings.totalSteps);
  checkFlag('cycleMomentum', settings.cycleMomentum);
  for (const name of ['maxLr', 'divFactor', 'finalDivFactor'] as const) {
    checkPositive(name, settings[name]);
  }
  for (const name of ['baseMomentum', 'maxMomentum'] as const) {
    checkProbability(name, settings[name]);
  }
  checkFraction('pctStart', settings.pctStart);
  checkChoice('annealStrategy', settings.annealStrategy, ['cos', 'linear']);
}

/**
 * One-cycle policy (Smith and Topin 2018), as PyTorch's `OneCycleLR`: the rate rises to `maxLr`, then
 * falls far below its first value; momentum moves the other way.
 *
 * @example
 * ```ts
 * const schedule = new OneCycle(adam, { maxLr: 1e-2, totalSteps: epochs * stepsPerEpoch });
 * ```
 */
export class OneCycle extends Schedule {
  readonly #settings: Settings;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(optimizer: Scheduled, options: OneCycleOptions) {
    super(optimizer);
    checkNames('OneCycle', options, { maxLr: true, totalSteps: true, ...kDefaults });
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#settings = { ...kDefaults, ...(Object.fromEntries(given) as typeof options) } as Settings;
    checkSettings(this.#settings);
    this.apply();
  }

  /** @internal */
  protected override rate(_baseLr: number, steps: number): number {
    const { maxLr, divFactor, finalDivFactor } = this.#settings;
    const first = maxLr / divFactor;
    return this.#along(steps, first, maxLr, first / finalDivFactor);
  }

  /** @internal */
  protected override change(group: ScheduledGroup, steps: number): void {
    const { cycleMomentum, baseMomentum, maxMomentum } = this.#settings;
    if (!cycleMomentum) return;
    const momentum = this.#along(steps, maxMomentum, baseMomentum, maxMomentum);
    if (group.betas) group.betas = [momentum, group.betas[1]];
    else if (group.momentum !== undefined) group.momentum = momentum;
  }

  /** Value at a step of the cycle `first`, `top`, `last`. */
  #along(steps: number, first: number, top: number, last: number): number {
    const { pctStart, totalSteps } = this.#settings;
    const peak = pctStart * totalSteps - 1;
    if (steps <= peak) return this.#anneal(first, top, peak > 0 ? steps / peak : 1);
    return this.#anneal(top, last, Math.min(1, (steps - peak) / (totalSteps - 1 - peak)));
  }

  #anneal(start: number, end: number, progress: number): number {
    if (this.#settings.annealStrategy === 'linear') return start + (end - start) * progress;
    return end + ((start - end) * (1 + Math.cos(Math.PI * progress))) / 2;
  }
}
