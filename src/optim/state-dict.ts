/** Reads and checks state dicts of optimizers. */
import { ConvLSTMError, show } from '../errors.js';
import type { TensorLike } from '../tensor/convert.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/** State of one parameter. */
export interface ParameterState {
  /** Number of updates. */
  steps: number;
  /** State tensors by the names of the backend's results. */
  tensors: Record<string, Tensor>;
}

/** A hyperparameter. */
export type Setting = number | boolean | number[];

/** The JSON part of an optimizer's state. */
export interface OptimizerSettings {
  /** Name of the optimizer: `'Adam'`. */
  optimizer: string;
  /** Groups in their order. */
  groups: {
    /** Number of parameters. */
    parameters: number;
    /** Hyperparameters by name. */
    options: Record<string, Setting>;
  }[];
  /** Number of updates of each parameter, group after group. */
  steps: number[];
}

/** State of an optimizer. */
export interface OptimizerStateDict {
  /** Keys `<parameter>.<state>`, parameters counted group after group: `0.average`, `0.squareAverage`. */
  tensors: Record<string, Tensor>;
  /** Hyperparameters and numbers of updates, as JSON. */
  settings: OptimizerSettings;
}

function refuseState(message: string, cause?: unknown): never {
  throw new ConvLSTMError('ERR_STATE_DICT', message, { cause });
}

function isSettings(value: unknown): value is OptimizerSettings {
  const settings = value as Partial<OptimizerSettings> | null;
  return (
    typeof settings?.optimizer === 'string' &&
    Array.isArray(settings.groups) &&
    settings.groups.every(
      (group) => Number.isInteger(group?.parameters) && typeof group.options === 'object',
    ) &&
    Array.isArray(settings.steps) &&
    settings.steps.every((step) => Number.isSafeInteger(step) && step >= 0)
  );
}

function sameKind(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a)) return typeof a === typeof b;
  return Array.isArray(b) && a.length === b.length && b.every((entry) => typeof entry === 'number');
}

/** Checks settings against an optimizer's name and groups. */
export function readSettings(
  optimizer: string,
  groups: readonly { readonly parameters: readonly Tensor[] }[],
  value: unknown,
  check: (options: Record<string, Setting>) => void,
): OptimizerSettings {
  if (!isSettings(value)) refuseState(`${optimizer}: settings are not those of an optimizer`);
  if (value.optimizer !== optimizer) {
    refuseState(`${optimizer}: the state is that of ${value.optimizer}`);
  }
  const have = groups.map((group) => group.parameters.length);
  const got = value.groups.map((group) => group.parameters);
  if (!sameShape(have, got) || value.steps.length !== have.reduce((a, b) => a + b, 0)) {
    refuseState(
      `${optimizer}: expected groups of ${formatShape(have)} parameters, got ${formatShape(got)}`,
    );
  }
  for (const [index, { options }] of value.groups.entries()) {
    const { parameters: _, ...expected } = groups[index]! as Record<string, unknown>;
    const names = Object.keys(expected);
    if (
      Object.keys(options).length !== names.length ||
      names.some((name) => !sameKind(expected[name], options[name]))
    ) {
      refuseState(
        `${optimizer}: groups[${index}]: expected ${names.join(', ')}, got ${show(options)}`,
      );
    }
    try {
      check(options);
    } catch (error) {
      refuseState(`${optimizer}: groups[${index}]: ${(error as Error).message}`, error);
    }
  }
  return structuredClone(value);
}

/** Copies state tensors to the devices of their parameters. */
export function readStates(
  parameters: readonly Tensor[],
  steps: readonly number[],
  tensors: Readonly<Record<string, Tensor | TensorLike>>,
): Map<Tensor, ParameterState> {
  const states = new Map<Tensor, ParameterState>();
  parameters.forEach((parameter, index) => {
    if (steps[index]! > 0) states.set(parameter, { steps: steps[index]!, tensors: {} });
  });
  try {
    for (const [key, source] of Object.entries(tensors)) {
      const [, index, name] =
        /^(\d+)\.(\w+)$/.exec(key) ?? refuseState(`${key}: expected <parameter>.<state>`);
      const parameter = parameters[Number(index)];
      const state = parameter && states.get(parameter);
      if (!state) refuseState(`${key}: there is no such parameter, or it has made no step`);
      if (!sameShape(source.shape, parameter.shape)) {
        refuseState(
          `${key}: expected ${formatShape(parameter.shape)}, got ${formatShape(source.shape)}`,
        );
      }
      state.tensors[name!] = Tensor.from(source, undefined, { device: parameter.device });
    }
  } catch (error) {
    for (const state of states.values()) {
      for (const tensor of Object.values(state.tensors)) tensor.dispose();
    }
    throw error;
  }
  return states;
}
