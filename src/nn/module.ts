import type { Precision } from '../../binding.js';
import { noGrad } from '../autograd/grad-mode.js';
import { backendOf, type Device } from '../backend.js';
import { checkNames } from '../options.js';
import { checkPrecision, getFloat32Precision } from '../precision.js';
import type { TensorLike } from '../tensor/convert.js';
import type { Tensor } from '../tensor/tensor.js';
import { Parameter } from './parameter.js';
import { type LoadStateDictOptions, loadStateDict, type StateDict } from './state-dict.js';

/** `console.log` of a module names at most so many parameters. */
const kShownParameters = 50;

/** What `to` changes. */
export interface ModuleTarget {
  /** New device of the parameters; default: unchanged. */
  device?: Device | undefined;
  /** Precision of this module and those inside it; default: unchanged. */
  precision?: Precision | undefined;
}

/**
 * A container of parameters and other modules, found among its properties. Keys of its state dict join
 * the names of properties, or what `static keys` maps them to, and indices of arrays, by dots.
 *
 * @example
 * ```ts
 * class Net extends Module {
 *   cells = new ConvLSTM({ inputDim: 1, hiddenDim: [16, 16], kernelSize: 3, batchFirst: true });
 *   head = new Conv2d({ inChannels: 16, outChannels: 1, kernelSize: 1 });
 *   forward(x: Tensor) {
 *     const { states } = this.cells.forward(x);
 *     return this.head.forward(states.at(-1)!.h).sigmoid();
 *   }
 * }
 * new Net().stateDict(); // cells.cell_list.0.conv.weight, ..., head.weight, head.bias
 * ```
 */
export class Module {
  /** Segment of the state-dict key by property; default: the property's name. */
  static readonly keys: Readonly<Record<string, string>> = {};

  /** Whether dropout and zoneout are random; true until `eval()`. */
  training = true;
  #precision: Precision | undefined;

  /** Precision of this module's products: its own, else that of the process. */
  get precision(): Precision {
    return this.#precision ?? getFloat32Precision();
  }

  /** Properties that are modules or parameters, and such entries of arrays, by key. */
  *#members(): Generator<[string, Module | Parameter]> {
    const { keys } = this.constructor as typeof Module;
    for (const [property, value] of Object.entries(this)) {
      const name = Object.hasOwn(keys, property) ? keys[property] : property;
      const entries: [string, unknown][] = Array.isArray(value)
        ? value.map((entry, index) => [`${name}.${index}`, entry])
        : [[name!, value]];
      for (const [path, entry] of entries) {
        if (entry instanceof Module || entry instanceof Parameter) yield [path, entry];
      }
    }
  }

  /** Every key of every parameter; `above` breaks cycles of modules that refer to their parents. */
  *#named(prefix: string, above: readonly Module[]): Generator<[string, Parameter]> {
    for (const [name, member] of this.#members()) {
      if (member instanceof Parameter) yield [prefix + name, member];
      else if (!above.includes(member))
        yield* member.#named(`${prefix}${name}.`, [...above, member]);
    }
  }

  /** The modules directly inside this one, by key. */
  *namedChildren(): Generator<[string, Module]> {
    for (const [name, member] of this.#members()) {
      if (member instanceof Module) yield [name, member];
    }
  }

  /** This module and all modules inside it, each once. */
  #modules(seen = new Set<Module>()): Set<Module> {
    if (seen.has(this)) return seen;
    seen.add(this);
    for (const [, child] of this.namedChildren()) child.#modules(seen);
    return seen;
  }

  /** The parameters with their keys, each parameter once. */
  *namedParameters(): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const [name, parameter] of this.#named('', [this])) {
      if (seen.has(parameter)) continue;
      seen.add(parameter);
      yield [name, parameter];
    }
  }

  /** The parameters, each once, in the order of the state dict. */
  parameters(): Parameter[] {
    return Array.from(this.namedParameters(), ([, parameter]) => parameter);
  }

  /** A snapshot of the parameters by key: later changes of the module do not show in it. */
  stateDict(): StateDict {
    const dict: StateDict = {};
    for (const [name, parameter] of this.#named('', [this])) dict[name] = parameter.detach();
    return dict;
  }

  /**
   * Sets the parameters from a dict of tensors or `{ data, shape }`. Changes none if it throws.
   *
   * @returns this module
   * @throws ConvLSTMError ERR_STATE_DICT with every missing, unexpected and misshapen key; ERR_OPTION
   *   for an invalid option
   * @example
   * ```ts
   * net.loadStateDict(await safetensors.load('weights.safetensors'), { gateOrder: 'ifgo' });
   * ```
   */
  loadStateDict(
    dict: Readonly<Record<string, Tensor | TensorLike>>,
    options: LoadStateDictOptions = {},
  ): this {
    loadStateDict(new Map(this.#named('', [this])), dict, options);
    return this;
  }

  /**
   * Moves the parameters to a device, or sets the precision of this module and those inside it.
   *
   * @returns this module
   * @throws ConvLSTMError ERR_DEVICE for an absent device, ERR_OPTION for an unknown precision
   * @example
   * ```ts
   * net.to('javascript');
   * net.to({ device: 'cpu', precision: 'medium' });
   * ```
   */
  to(target: Device | ModuleTarget): this {
    if (typeof target !== 'string') checkNames('to', target, { device: true, precision: true });
    const { device, precision } = typeof target === 'string' ? { device: target } : target;
    if (precision !== undefined) checkPrecision(precision);
    if (device !== undefined) {
      backendOf(device);
      const parameters = this.parameters();
      const moved = noGrad(() => parameters.map((parameter) => parameter.to(device)));
      parameters.forEach((parameter, index) => {
        parameter.assign(moved[index]!);
        moved[index]!.dispose();
      });
    }
    if (precision !== undefined) {
      for (const module of this.#modules()) module.#precision = precision;
    }
    return this;
  }

  /** Sets `training` of this module and those inside it. */
  train(mode = true): this {
    for (const module of this.#modules()) module.training = mode;
    return this;
  }

  /** `train(false)` */
  eval(): this {
    return this.train(false);
  }

  /** Text for `console.log`: class, number of parameters, their names and shapes. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const named = [...this.namedParameters()];
    const total = named.reduce((sum, [, { size }]) => sum + size, 0).toLocaleString('en');
    const rows = named.slice(0, kShownParameters).map(([name, { shape }]) => {
      return `\n  ${name} [${shape.join(', ')}]`;
    });
    const more = named.length - rows.length;
    const rest = more > 0 ? `\n  ... ${more} more` : '';
    return `${this.constructor.name}(${total} parameters)${rows.join('')}${rest}`;
  }

  /** Disposes the parameters. Idempotent. */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
  }

  /** `using net = new Net()` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
