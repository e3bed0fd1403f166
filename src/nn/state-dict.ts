import { noGrad } from '../autograd/grad-mode.js';
import { ConvLSTMError, show, toConvLSTMError } from '../errors.js';
import { concat, slice } from '../functional/index.js';
import { kReadableNames, skippedType } from '../io/safetensors.js';
import { checkFlag, checkNames } from '../options.js';
import type { TensorLike } from '../tensor/convert.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { Parameter } from './parameter.js';

/** Parameters by key, with PyTorch's keys. */
export type StateDict = Record<string, Tensor>;

/** Every order of some letters, as literals: `'ab' | 'ba'`. */
type Permutation<Letter extends string, First extends string = Letter> = [Letter] extends [never]
  ? ''
  : First extends Letter
    ? `${First}${Permutation<Exclude<Letter, First>>}`
    : never;

/**
 * Order of the four packed gates, a permutation of the letters i, f, o and g. `'ifog'`: this package and
 * ndrplz; `'fiog'`: the listing of the article; `'ifgo'`: Keras and PyTorch's `nn.LSTM`; `'igfo'`: Flax.
 */
export type GateOrder = Permutation<'i' | 'f' | 'o' | 'g'>;

/** Options of `loadStateDict`. */
export interface LoadStateDictOptions {
  /** Whether missing and unexpected keys are errors; default true. Shapes are checked in either case. */
  strict?: boolean | undefined;
  /** Gate order of the dict's ConvLSTM weights; default `'ifog'`. */
  gateOrder?: GateOrder | undefined;
  /** Prefix of the keys to load, which is removed; other keys are ignored. Default `''`. */
  prefix?: string | undefined;
}

const kGates = 'ifog';

function checkGateOrder(order: string): string {
  if (typeof order !== 'string' || [...order].sort().join('') !== [...kGates].sort().join('')) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `gateOrder: expected a permutation of the letters i, f, o and g, got ${show(order)}`,
    );
  }
  return order;
}

/** Reorders the four blocks of axis 0 from `order` to `ifog`. */
function reorderGates(packed: Tensor, order: string): Tensor {
  const rows = packed.shape[0]! / 4;
  const blocks = [...kGates].map((gate) => {
    const from = order.indexOf(gate) * rows;
    return slice(packed, [from], [from + rows]);
  });
  try {
    return concat(blocks, 0);
  } finally {
    for (const block of blocks) block.dispose();
  }
}

function prepare(source: Tensor | TensorLike, parameter: Parameter, order: string): Tensor {
  const values = Tensor.from(source, undefined, { device: parameter.device });
  if (parameter.gates !== kGates || order === kGates) return values;
  try {
    return reorderGates(values, order);
  } finally {
    values.dispose();
  }
}

/** Adds the key to errors of `body`. */
function named<T>(key: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const { code, message } = toConvLSTMError(error);
    throw new ConvLSTMError(code, `${key}: ${message}`, { cause: error });
  }
}

/**
 * Sets parameters from a dict; changes none if anything does not fit.
 *
 * @internal
 */
export function loadStateDict(
  parameters: ReadonlyMap<string, Parameter>,
  dict: Readonly<Record<string, Tensor | TensorLike>>,
  options: LoadStateDictOptions,
): void {
  checkNames('loadStateDict', options, { strict: true, gateOrder: true, prefix: true });
  const { strict = true, prefix = '' } = options;
  checkFlag('strict', strict);
  if (typeof prefix !== 'string') {
    throw new ConvLSTMError('ERR_OPTION', `prefix: expected a string, got ${show(prefix)}`);
  }
  if (typeof dict !== 'object' || dict === null) {
    const message = `loadStateDict: expected tensors by key, got ${show(dict)}`;
    throw new ConvLSTMError('ERR_STATE_DICT', message);
  }
  const order = checkGateOrder(options.gateOrder ?? kGates);
  const problems: string[] = [];
  const found = new Map<string, Tensor | TensorLike>();
  for (const [key, value] of Object.entries(dict)) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    if (parameters.has(name)) found.set(name, value);
    else if (strict) problems.push(`unexpected key ${key}`);
  }
  for (const [name, parameter] of parameters) {
    const value = found.get(name);
    if (value === undefined) {
      const type = skippedType(dict, prefix + name);
      const other = `: its file has it as ${type}, expected ${kReadableNames}`;
      if (strict) problems.push(`missing key ${prefix}${name}${type === undefined ? '' : other}`);
    } else if (!Array.isArray(value?.shape)) {
      problems.push(`${prefix}${name}: expected a Tensor or { data, shape }`);
    } else if (!sameShape(value.shape, parameter.shape)) {
      const expected = formatShape(parameter.shape);
      problems.push(`${prefix}${name}: expected ${expected}, got ${formatShape(value.shape)}`);
    }
  }
  if (problems.length > 0) {
    throw new ConvLSTMError(
      'ERR_STATE_DICT',
      `the state dict does not fit:\n  ${problems.join('\n  ')}`,
    );
  }

  const prepared = new Map<Parameter, Tensor>();
  try {
    for (const [name, value] of found) {
      const parameter = parameters.get(name)!;
      prepared.get(parameter)?.dispose();
      prepared.set(
        parameter,
        noGrad(() => named(prefix + name, () => prepare(value, parameter, order))),
      );
    }
    for (const [parameter, values] of prepared) parameter.assign(values);
  } finally {
    for (const values of prepared.values()) values.dispose();
  }
}
