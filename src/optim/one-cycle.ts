import { ConvLSTMError } from '../errors.js';
import { checkCount, checkNames } from '../nn/options.js';
import { Schedule, type Scheduled } from './schedule.js';

/** Options of `OneCycle`. */
export interface OneCycleOptions {
  /** The rate at the top, of all groups. */
  maxLr: number;
  totalSteps: number;
  /** Share of the steps in which the rate rises; default 0.3. */
  pctStart?: number | undefined;
  /** The rate begins with maxLr / divFactor; default 25. */
  divFactor?: number | undefined;
  /** It ends with maxLr / divFactor / finalDivFactor; default 1e4. */
  finalDivFactor?: number | undefined;
  /** `'cos'` or `'linear'`; default `'cos'`. */
  annealStrategy?: 'cos' | 'linear' | undefined;
}

/**
 * The rate rises to `maxLr` and then falls far below where it began (Smith and Topin 2018), as
 * PyTorch's `OneCycleLR` with `cycle_momentum=False`.
 *
 * @example
 * ```ts
 * const schedule = new OneCycle(adam, { maxLr: 1e-2, totalSteps: epochs * stepsPerEpoch });
 * ```
 */
export class OneCycle extends Schedule {
  readonly #options: Required<{ [K in keyof OneCycleOptions]: NonNullable<OneCycleOptions[K]> }>;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(optimizer: Scheduled, options: OneCycleOptions) {
    super(optimizer);
    checkNames('OneCycle', options, [
      'maxLr',
      'totalSteps',
      'pctStart',
      'divFactor',
      'finalDivFactor',
      'annealStrategy',
    ]);
    const {
      maxLr,
      pctStart = 0.3,
      divFactor = 25,
      finalDivFactor = 1e4,
      annealStrategy = 'cos',
    } = options;
    const totalSteps = checkCount('totalSteps', options.totalSteps);
    for (const [name, value] of Object.entries({ maxLr, divFactor, finalDivFactor })) {
      if (!(value > 0)) {
        throw new ConvLSTMError('ERR_OPTION', `${name}: expected a number above 0, got ${value}`);
      }
    }
    if (!(pctStart >= 0 && pctStart <= 1)) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        `pctStart: expected a number from 0 to 1, got ${pctStart}`,
      );
    }
    if (annealStrategy !== 'cos' && annealStrategy !== 'linear') {
      throw new ConvLSTMError(
        'ERR_OPTION',
        `annealStrategy: expected 'cos' or 'linear', got ${JSON.stringify(annealStrategy)}`,
      );
    }
    this.#options = { maxLr, totalSteps, pctStart, divFactor, finalDivFactor, annealStrategy };
    this.apply();
  }

  /** @internal */
  protected override rate(_baseLr: number, steps: number): number {
    const { maxLr, totalSteps, pctStart, divFactor, finalDivFactor } = this.#options;
    const first = maxLr / divFactor;
    const top = pctStart * totalSteps - 1;
    const last = totalSteps - 1;
    if (steps <= top) return this.#anneal(first, maxLr, top > 0 ? steps / top : 1);
    const progress = Math.min(1, (steps - top) / (last - top));
    return this.#anneal(maxLr, first / finalDivFactor, progress);
  }

  #anneal(start: number, end: number, progress: number): number {
    if (this.#options.annealStrategy === 'linear') return start + (end - start) * progress;
    return end + ((start - end) * (1 + Math.cos(Math.PI * progress))) / 2;
  }
}
