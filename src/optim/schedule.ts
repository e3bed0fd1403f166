import { ConvLSTMError, show } from '../errors.js';
import { refuseOption } from '../options.js';

/** What schedules change of a group. */
export interface ScheduledGroup {
  /** The learning rate. */
  lr: number;
  /** Of SGD and RMSprop. */
  momentum?: number;
  /** Of Adam and AdamW. */
  betas?: readonly [number, number];
}

/** What a schedule needs of an optimizer. */
export interface Scheduled {
  /** What the rates are set of. */
  readonly groups: readonly ScheduledGroup[];
}

/** A schedule's state: JSON. */
export type ScheduleStateDict = Record<string, number | number[]>;

/**
 * What the schedules have in common: a learning rate for every group, as a function of the number of
 * steps made. A schedule sets the rates when it is made and at each `step()`.
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
   * The rate after `steps` steps for a group that began with `baseLr`.
   *
   * @internal
   */
  protected abstract rate(baseLr: number, steps: number): number;

  /** How often `step` was called. */
  get steps(): number {
    return this.#steps;
  }

  /** The rates of the optimizer's groups. */
  get lrs(): number[] {
    return this.#optimizer.groups.map(({ lr }) => lr);
  }

  /** Sets the rates of the next step, or epoch: after the optimizer's. */
  step(): void {
    this.#steps++;
    this.apply();
  }

  /**
   * Sets the rates of this moment.
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
   * Sets what else a schedule changes of a group.
   *
   * @internal
   */
  protected change(_group: ScheduledGroup, _steps: number): void {}

  /** What `loadStateDict` needs to go on: JSON. */
  stateDict(): ScheduleStateDict {
    return { steps: this.#steps, baseLrs: [...this.#baseLrs] };
  }

  /**
   * Takes up where `stateDict()` was called, and sets the rates of that moment.
   *
   * @returns this schedule
   * @throws ConvLSTMError ERR_STATE_DICT when it is not of a schedule of as many groups
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
