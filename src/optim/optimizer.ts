import type { Backend, Storage } from '../../binding.js';
import { run } from '../backend.js';
import { ConvLSTMError, kindOf } from '../errors.js';
import { checkAtLeastZero, checkNames, refuseOption } from '../options.js';
import type { TensorLike } from '../tensor/convert.js';
import { deviceOf } from '../tensor/operands.js';
import { Tensor } from '../tensor/tensor.js';
import {
  type OptimizerStateDict,
  type ParameterState,
  readSettings,
  readStates,
  type Setting,
} from './state-dict.js';

/** Parameters that share hyperparameters. Programs may change these between steps. */
export type ParameterGroup<Options> = Options & {
  /** Parameters in the order given. */
  readonly parameters: readonly Tensor[];
};

/** A group as constructors take it; missing options are those of the constructor. */
export type ParameterGroupOptions<Options> = Partial<Options> & {
  /** Parameters of this group; a parameter is in one group only. */
  parameters: Iterable<Tensor>;
};

/**
 * Operands of one update on a backend.
 *
 * @internal
 */
export interface Update<Options> {
  backend: Backend;
  parameter: Storage;
  grad: Storage;
  state(name: string): Storage | null;
  /** Step of the parameter, counted from 1. */
  step: number;
  group: ParameterGroup<Options>;
}

const kParameters = 'parameters or groups { parameters, ... }, as of net.parameters()';

/** Base class of SGD, RMSprop, Adam and AdamW. */
export abstract class Optimizer<Options extends { lr: number }> {
  /** Parameter groups; `optimizer.groups[0].lr = 1e-4` takes effect at the next step. */
  readonly groups: readonly ParameterGroup<Options>[];
  readonly #name: string;
  #states = new Map<Tensor, ParameterState>();

  /**
   * Queues one update; returns the storages of the new `parameter` and of each new state by name.
   *
   * @internal
   */
  protected abstract update(update: Update<Options>): { parameter: Storage } & object;

  /**
   * @internal
   * @throws ConvLSTMError ERR_OPTION for a value out of range
   */
  protected abstract check(options: Options): void;

  /** @internal */
  protected constructor(
    name: string,
    parameters: Iterable<Tensor | ParameterGroupOptions<Options>>,
    defaults: Options,
    options: Partial<Options>,
  ) {
    this.#name = name;
    const known = Object.keys(defaults);
    checkNames<object>(name, options, defaults);
    if (typeof parameters?.[Symbol.iterator] !== 'function') {
      refuseOption(name, kParameters, parameters);
    }
    const single: Tensor[] = [];
    const groups: { parameters: Iterable<Tensor> }[] = [];
    for (const entry of parameters) {
      if (entry instanceof Tensor) single.push(entry);
      else if (entry?.parameters) groups.push(entry);
      else refuseOption(name, kParameters, entry);
    }
    if (single.length > 0) groups.unshift({ parameters: single });
    const seen = new Set<Tensor>();
    this.groups = groups.map((group) => {
      checkNames<object>(`a group of ${name}`, group, { parameters: true, ...defaults });
      const merged = { ...defaults };
      for (const source of [options, group] as Partial<Options>[]) {
        for (const name of known as (keyof Options)[]) {
          if (source[name] !== undefined) merged[name] = source[name] as Options[keyof Options];
        }
      }
      const list = [...group.parameters];
      for (const parameter of list) this.#checkParameter(parameter, seen);
      for (const name of known as (keyof Options & string)[]) {
        const kind = typeof defaults[name];
        if (kind === 'object' || kind === typeof merged[name]) continue;
        refuseOption(name, `a ${kind}`, merged[name]);
      }
      this.#checkOptions(merged);
      return { ...merged, parameters: list };
    });
    if (seen.size === 0) refuseOption(name, 'at least one parameter', []);
  }

  #checkParameter(parameter: Tensor, seen: Set<Tensor>): void {
    if (!parameter.isLeaf) {
      const message = `${this.#name}: expected parameters or other leaves, got the result of an operation`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    if (seen.has(parameter)) {
      throw new ConvLSTMError('ERR_OPTION', `${this.#name}: a parameter is listed twice`);
    }
    seen.add(parameter);
  }

  #checkOptions(options: Options): void {
    checkAtLeastZero('lr', options.lr);
    this.check(options);
  }

  /** All parameters, group after group. */
  #parameters(): Tensor[] {
    return this.groups.flatMap((group) => group.parameters);
  }

  /**
   * Updates every parameter that has a gradient. Returns at once; the device computes.
   *
   * @throws ConvLSTMError ERR_DEVICE for a parameter on another device than its gradient or its state
   */
  step(): void {
    for (const group of this.groups) {
      for (const parameter of group.parameters) {
        if (parameter.grad) this.#step(parameter, parameter.grad, group);
      }
    }
  }

  #step(parameter: Tensor, grad: Tensor, group: ParameterGroup<Options>): void {
    const before = this.#states.get(parameter) ?? { steps: 0, tensors: {} };
    const device = deviceOf(`${this.#name}.step`, { parameter, gradient: grad, ...before.tensors });
    const step = before.steps + 1;
    const results = run(device, (backend) =>
      this.update({
        backend,
        parameter: parameter.storage,
        grad: grad.storage,
        state: (name) => before.tensors[name]?.storage ?? null,
        step,
        group,
      }),
    );
    const tensors: Record<string, Tensor> = {};
    for (const [name, storage] of Object.entries<Storage | null>({ ...results })) {
      if (storage) tensors[name] = Tensor.fromStorage(storage, parameter.shape, device);
    }
    const { parameter: next, ...states } = tensors;
    parameter.assign(next!);
    next!.dispose();
    for (const tensor of Object.values(before.tensors)) tensor.dispose();
    this.#states.set(parameter, { steps: step, tensors: states });
  }

  /** Disposes the gradients: the next `backward()` starts from zero. */
  zeroGrad(): void {
    for (const parameter of this.#parameters()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /**
   * State for a later run: tensors for a safetensors file, settings as JSON. It is a snapshot: later steps
   * do not change it.
   *
   * @example
   * ```ts
   * const { tensors, settings } = adam.stateDict();
   * const metadata = { adam: JSON.stringify(settings) };
   * await safetensors.save('adam.safetensors', tensors, { metadata });
   * ```
   */
  stateDict(): OptimizerStateDict {
    const tensors: Record<string, Tensor> = {};
    const parameters = this.#parameters();
    parameters.forEach((parameter, index) => {
      for (const [name, tensor] of Object.entries(this.#states.get(parameter)?.tensors ?? {})) {
        tensors[`${index}.${name}`] = tensor.clone();
      }
    });
    const groups = this.groups.map(({ parameters, ...options }) => ({
      parameters: parameters.length,
      options: structuredClone(options) as unknown as Record<string, Setting>,
    }));
    const steps = parameters.map((parameter) => this.#states.get(parameter)?.steps ?? 0);
    return { tensors, settings: { optimizer: this.#name, groups, steps } };
  }

  /**
   * Restores the state of `stateDict()`, hyperparameters included: all of it, or nothing when it throws.
   *
   * @returns this optimizer
   * @throws ConvLSTMError ERR_STATE_DICT for the state of another kind of optimizer or of parameters of
   *   other shapes
   */
  loadStateDict(dict: {
    tensors: Readonly<Record<string, Tensor | TensorLike>>;
    settings: unknown;
  }): this {
    if (typeof dict?.tensors !== 'object' || dict.tensors === null) {
      const message = `${this.#name}: expected { tensors, settings } of stateDict(), got ${kindOf(dict)}`;
      throw new ConvLSTMError('ERR_STATE_DICT', message);
    }
    const settings = readSettings(this.#name, this.groups, dict.settings, (options) =>
      this.#checkOptions(options as unknown as Options),
    );
    const states = readStates(this.#parameters(), settings.steps, dict.tensors);
    this.dispose();
    this.#states = states;
    for (const [index, { options }] of settings.groups.entries()) {
      Object.assign(this.groups[index]!, options);
    }
    return this;
  }

  /** Disposes the optimizer's states, not the parameters. Idempotent. */
  dispose(): void {
    for (const { tensors } of this.#states.values()) {
      for (const tensor of Object.values(tensors)) tensor.dispose();
    }
    this.#states.clear();
  }

  /** `using adam = new Adam(...)` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
