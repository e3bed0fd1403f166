import { inspect } from 'node:util';

/**
 * What an error is about. Stable: programs may switch on it.
 *
 * - `ERR_SHAPE`: a tensor's shape does not fit, or an index or axis lies outside it
 * - `ERR_DTYPE`: values of a kind that cannot become float32
 * - `ERR_OPTION`: an option or an environment variable has a value it cannot have
 * - `ERR_DEVICE`: a device that is unknown or not there, or tensors of different devices
 * - `ERR_DISPOSED`: use after `dispose()`
 * - `ERR_OUT_OF_MEMORY`: the memory for a result could not be had
 * - `ERR_FORMAT`: bytes or a file that are not what they should be
 * - `ERR_STATE_DICT`: a state dict that does not fit a module
 * - `ERR_NOT_FINITE`: training met a loss or a gradient that is NaN or infinite
 * - `ERR_IO`: reading or writing failed
 * - `ERR_INTERNAL`: a fault of this package
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
  /** What it is about. */
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
 * What a backend threw, as a ConvLSTMError: the addon's errors carry a `code` but not the class.
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
 * What a caller gave, for a message: any value, on one line, and not much of a large one.
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
