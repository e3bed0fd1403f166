/** What a `Trainer` keeps in its checkpoints. */
import type { LoaderPosition } from '../data/data-loader.js';
import { ConvLSTMError } from '../errors.js';
import type { StateDict } from '../nn/index.js';
import type { OptimizerStateDict } from '../optim/state-dict.js';
import type { RandomState } from '../tensor/random.js';
import type { CheckpointState } from './checkpoint.js';
import type { TrainHistory } from './trainer-options.js';

/** The best validation so far. */
export interface Best {
  loss: number;
  step: number;
  /** Validations since. */
  since: number;
}

/** A run after some step. */
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

/** What the parts check themselves is left to them. */
export function checkRunState(name: string, state: object): asserts state is RunState {
  const { step, position, random, history, optimizer, model } = state as Partial<RunState>;
  const objects = [position, random, history, optimizer, optimizer?.tensors, model];
  const lists = [history?.loss, history?.validation, history?.lr];
  const isObject = (part: unknown) => typeof part === 'object' && part !== null;
  const valid = Number.isSafeInteger(step) && objects.every(isObject);
  if (!valid || !lists.every(Array.isArray)) {
    throw new ConvLSTMError('ERR_FORMAT', `${name}: is not a checkpoint of a Trainer`);
  }
}
