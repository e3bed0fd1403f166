/** State of a `Trainer` in its checkpoints. */
import type { DataLoader, LoaderPosition } from '../data/data-loader.js';
import { ConvLSTMError } from '../errors.js';
import { inFile } from '../io/files.js';
import type { Module, StateDict } from '../nn/index.js';
import type { ReduceLROnPlateau } from '../optim/reduce-lr-on-plateau.js';
import type { Schedule } from '../optim/schedule.js';
import type { OptimizerStateDict } from '../optim/state-dict.js';
import { type RandomState, randomState, setRandomState } from '../tensor/random.js';
import type { CheckpointState } from './checkpoint.js';
import type { AnyOptimizer, TrainHistory } from './trainer-options.js';

/** The best validation so far. */
export interface Best {
  loss: number;
  step: number;
  /** Validations since then. */
  since: number;
}

/** State of a run after a step. */
export interface RunState {
  step: number;
  seconds: number;
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

/** Checks the structure; model, optimizer, schedule and loader check their own parts. */
export function checkRunState(name: string, state: object): asserts state is RunState {
  const { step, seconds, position, random, best, history, optimizer, model } =
    state as Partial<RunState>;
  const objects = [position, random, history, optimizer, optimizer?.tensors, model];
  const curves = [history?.loss, history?.validation, history?.lr];
  const isObject = (part: unknown) => typeof part === 'object' && part !== null;
  const valid =
    isCount(step) &&
    Number.isFinite(seconds) &&
    objects.every(isObject) &&
    (best === null || (isCount(best?.step) && isCount(best?.since) && Number.isFinite(best?.loss)));
  if (!valid || !curves.every(isCurve)) {
    throw new ConvLSTMError('ERR_FORMAT', `${name}: is not a checkpoint of a Trainer`);
  }
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
    load(parts.model, state.model);
    load(parts.optimizer, state.optimizer);
    if (parts.schedule && state.schedule) load<object>(parts.schedule, state.schedule as object);
    undo.push(() => setRandomState(random));
    setRandomState(state.random);
    parts.data.seek(state.position);
  } catch (error) {
    for (const back of undo.reverse()) back();
    throw inFile(name, error);
  }
}
