import { inspect } from 'node:util';

/**
 * Kind of an error; programs may switch on it. One mistake has one code, whether the value was an
 * argument, an option or an environment variable.
 *
 * - `ERR_OPTION`: a value of the wrong JavaScript type, an unknown name, or a setting out of range
 * - `ERR_SHAPE`: a shape, axis or index of the right type that does not fit the tensor
 * - `ERR_DTYPE`: elements that cannot become float32
 * - `ERR_DEVICE`: a device that this machine lacks, or tensors on different devices
 * - `ERR_DISPOSED`: use after `dispose()`
 * - `ERR_OUT_OF_MEMORY`: not enough memory for a result
 * - `ERR_FORMAT`: malformed bytes or a malformed file
 * - `ERR_STATE_DICT`: a state dict that does not fit a module
 * - `ERR_NOT_FINITE`: a loss or a gradient in training that is NaN or infinite
 * - `ERR_IO`: the operating system could not read or write a file, or a folder lacks the files asked for
 * - `ERR_INTERNAL`: a bug in this package
 */
export type ErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_OPTION'
  | 'ERR_DEVICE'
  | 'ERR_DISPOSED'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_FORMAT'
  | 'ERR_STATE_DICT'
  | 'ERR_NOT_FINITE'
  | 'ERR_IO'
  | 'ERR_INTERNAL';

/**
 * Every error this package throws or rejects with.
 *
 * @example
 * ```ts
 * try {
 *   net.loadStateDict(dict);
 * } catch (error) {
 *   if (error instanceof ConvLSTMError && error.code === 'ERR_STATE_DICT') console.error(error.message);
 *   else throw error;
 * }
 * ```
 */
export class ConvLSTMError extends Error {
  /** Always `'ConvLSTMError'`. */
  override readonly name = 'ConvLSTMError';
  /** Kind of the error. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const kBackendCodes: ReadonlySet<unknown> = new Set<ErrorCode>([
  'ERR_SHAPE',
  'ERR_DTYPE',
  'ERR_OPTION',
  'ERR_DEVICE',
  'ERR_DISPOSED',
  'ERR_OUT_OF_MEMORY',
  'ERR_INTERNAL',
]);

/**
 * Converts an error of a backend: the addon's errors have a `code` but not the class.
 *
 * @internal
 */
export function toConvLSTMError(error: unknown): ConvLSTMError {
  if (error instanceof ConvLSTMError) return error;
  if (!(error instanceof Error)) return new ConvLSTMError('ERR_INTERNAL', String(error));
  const code = 'code' in error && kBackendCodes.has(error.code) ? error.code : 'ERR_INTERNAL';
  return new ConvLSTMError(code as ErrorCode, error.message, { cause: error });
}

const kShownEntries = 8;

/**
 * Kind of a value, for a message: the class of an object, `an array`, or the value itself.
 *
 * @internal
 */
export function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return show(value);
  if (Array.isArray(value)) return value.length > 0 ? 'an array' : 'an empty array';
  return value.constructor?.name ?? 'an object';
}

/**
 * Any value, for a message: on one line, large ones shortened.
 *
 * @internal
 */
export function show(value: unknown, depth = 2): string {
  if (Array.isArray(value) && value.length <= kShownEntries && depth > 0) {
    return `[${Array.from(value, (entry) => show(entry, depth - 1)).join(', ')}]`;
  }
  return inspect(value, {
    depth: depth - 1,
    compact: true,
    breakLength: Infinity,
    maxArrayLength: kShownEntries,
    maxStringLength: 80,
    customInspect: false, // a tensor's would wait for its values
  });
}
