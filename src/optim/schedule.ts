import { ConvLSTMError, show } from '../errors.js';
import { refuseOption } from '../options.js';

/** Hyperparameters of a group that schedules change. */
export interface ScheduledGroup {
  /** The learning rate. */
  lr: number;
  /** Momentum of SGD and RMSprop. */
  momentum?: number;
  /** Decays of Adam and AdamW; schedules change the first. */
  betas?: readonly [number, number];
}

/** The part of an optimizer that schedules use. */
export interface Scheduled {
  /** Groups whose rates are set. */
  readonly groups: readonly ScheduledGroup[];
}

/** State of a schedule, as JSON. */
export type ScheduleStateDict = Record<string, number | number[]>;

/**
 * Base class of schedules whose rates depend on the number of steps alone. A schedule sets the rates of
 * all groups when it is made and at each `step()`.
 */
export abstract class Schedule {
  readonly #optimizer: Scheduled;
  #baseLrs: number[];
  #steps = 0;

  /** @internal */
  protected constructor(optimizer: Scheduled) {
    this.#optimizer = checkOptimizer(optimizer);
    this.#baseLrs = optimizer.groups.map(({ lr }) => lr);
  }

  /**
   * Rate after `steps` steps of a group whose first rate was `baseLr`.
   *
   * @internal
   */
  protected abstract rate(baseLr: number, steps: number): number;

  /** Number of calls of `step`. */
  get steps(): number {
    return this.#steps;
  }

  /** The rates of the optimizer's groups. */
  get lrs(): number[] {
    return this.#optimizer.groups.map(({ lr }) => lr);
  }

  /** Sets the rates of the next step or epoch. Call it after the optimizer's `step()`. */
  step(): void {
    this.#steps++;
    this.apply();
  }

  /**
   * Sets the rates for the present number of steps.
   *
   * @internal
   */
  protected apply(): void {
    this.#optimizer.groups.forEach((group, index) => {
      group.lr = this.rate(this.#baseLrs[index]!, this.#steps);
      this.change(group, this.#steps);
    });
  }

  /**
   * Changes other hyperparameters of a group.
   *
   * @internal
   */
  protected change(_group: ScheduledGroup, _steps: number): void {}

  /** State for `loadStateDict`, as JSON. */
  stateDict(): ScheduleStateDict {
    return { steps: this.#steps, baseLrs: [...this.#baseLrs] };
  }

  /**
   * Restores the state of `stateDict()` and sets its rates.
   *
   * @returns this schedule
   * @throws ConvLSTMError ERR_STATE_DICT for anything but the state of a schedule of as many groups
   */
  loadStateDict(dict: unknown): this {
    const state = dict as { steps?: unknown; baseLrs?: unknown } | null;
    const groups = this.#baseLrs.length;
    if (!isCount(state?.steps) || !areRates(state?.baseLrs, groups)) {
      throw new ConvLSTMError(
        'ERR_STATE_DICT',
        `schedule: expected { steps, baseLrs } for ${groups} groups, got ${show(dict)}`,
      );
    }
    this.#steps = state.steps;
    this.#baseLrs = [...state.baseLrs];
    this.apply();
    return this;
  }
}

/** @throws ConvLSTMError ERR_OPTION */
export function checkOptimizer(optimizer: Scheduled): Scheduled {
  if (Array.isArray(optimizer?.groups)) return optimizer;
  refuseOption('schedule', 'an optimizer as the first argument', optimizer);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function areRates(value: unknown, groups: number): value is number[] {
  return Array.isArray(value) && value.length === groups && value.every(Number.isFinite);
}
