/** State of a `Trainer` in its checkpoints. */
import type { DataLoader, LoaderPosition } from '../data/data-loader.js';
import { ConvLSTMError } from '../errors.js';
import { formatError, inFile } from '../io/files.js';
import type { Module, StateDict } from '../nn/index.js';
import type { ReduceLROnPlateau } from '../optim/reduce-lr-on-plateau.js';
import type { Schedule } from '../optim/schedule.js';
import type { OptimizerStateDict } from '../optim/state-dict.js';
import { type RandomState, randomState, setRandomState } from '../tensor/random.js';
import { Tensor } from '../tensor/tensor.js';
import type { CheckpointState } from './checkpoint.js';
import type { AnyOptimizer, TrainHistory, TrainReport } from './trainer-options.js';

/** The best validation so far. */
export interface Best {
  loss: number;
  step: number;
  /** Validations since then. */
  since: number;
}

/** Sums since the last report. */
export interface ReportWindow {
  /** Step of the last report. */
  step: number;
  /** Seconds of training at the last report. */
  seconds: number;
  samples: number;
  loss: number;
}

/** State of a run after a step. */
export interface RunState {
  step: number;
  seconds: number;
  /** Absent in older files, as are `report` and `bestModel`. */
  window?: ReportWindow;
  /** The last report that `history` holds. */
  report?: TrainReport | null;
  /** Model of the best validation. */
  bestModel?: StateDict | null;
  position: LoaderPosition;
  random: RandomState;
  best: Best | null;
  history: TrainHistory;
  schedule: CheckpointState;
  optimizer: OptimizerStateDict;
  model: StateDict;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

/** Whether a value is a list of [step, value]. */
function isCurve(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (point) => Array.isArray(point) && point.length === 2 && point.every(Number.isFinite),
    )
  );
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const isTensors = (value: unknown) =>
  isObject(value) && Object.values(value).every((entry) => entry instanceof Tensor);

function isWindow(value: unknown): boolean {
  const { step, seconds, samples, loss } = (value ?? {}) as Partial<ReportWindow>;
  return isCount(step) && isCount(samples) && Number.isFinite(seconds) && Number.isFinite(loss);
}

function isReport(value: unknown): boolean {
  const { step, loss, metrics } = (value ?? {}) as Partial<TrainReport>;
  return isCount(step) && Number.isFinite(loss) && isObject(metrics);
}

/** Checks the structure; model, optimizer, schedule and loader check their own parts. */
export function checkRunState(name: string, state: object): asserts state is RunState {
  const { step, seconds, position, random, best, history, optimizer, model } =
    state as Partial<RunState>;
  const { window, report = null, bestModel = null } = state as Partial<RunState>;
  const valid: Record<string, boolean> = {
    step: isCount(step),
    seconds: Number.isFinite(seconds),
    position: isObject(position),
    random: isObject(random),
    best:
      best === null || (isCount(best?.step) && isCount(best?.since) && Number.isFinite(best?.loss)),
    history: [history?.loss, history?.validation, history?.lr].every(isCurve),
    'optimizer.tensors': isTensors(optimizer?.tensors),
    'optimizer.settings': isObject(optimizer?.settings),
    model: isTensors(model),
    window: window === undefined || (isWindow(window) && window.step <= step!),
    report: report === null || isReport(report),
    bestModel: bestModel === null || isTensors(bestModel),
  };
  const wrong = Object.keys(valid).find((part) => !valid[part]);
  if (wrong === undefined) return;
  throw formatError(name, `is not a checkpoint of a Trainer: ${wrong} is missing or malformed`);
}

/** Parts of a run that have a state. */
interface RunParts {
  model: Module;
  optimizer: AnyOptimizer;
  schedule: Schedule | ReduceLROnPlateau | null;
  data: Pick<DataLoader, 'seek'>;
}

/** A part whose `loadStateDict` changes everything or, when it throws, nothing. */
interface Stateful<T> {
  stateDict(): T;
  loadStateDict(state: T): unknown;
}

/** Loads the state of file `name` into every part, or into none when one throws. */
export function loadRunState(name: string, state: RunState, parts: RunParts): void {
  const undo: (() => void)[] = [];
  const load = <T>(part: Stateful<T>, next: T) => {
    const before = part.stateDict();
    undo.push(() => part.loadStateDict(before));
    part.loadStateDict(next);
  };
  const random = randomState();
  try {
    if (state.bestModel) load(parts.model, state.bestModel); // checks that restoreBest() can load it
    load(parts.model, state.model);
    load(parts.optimizer, state.optimizer);
    if (parts.schedule && state.schedule) load<object>(parts.schedule, state.schedule as object);
    undo.push(() => setRandomState(random));
    setRandomState(state.random);
    parts.data.seek(state.position);
  } catch (error) {
    for (const back of undo.reverse()) back();
    if (error instanceof ConvLSTMError) throw inFile(name, error);
    throw formatError(name, 'is not a checkpoint of this Trainer', error);
  }
}
