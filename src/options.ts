/** Checks of options and arguments: a value of a wrong type or out of range is ERR_OPTION. */
import type { Pair } from '../binding.js';
import { ConvLSTMError, kindOf, show } from './errors.js';

/** Height and width; one number stands for both. */
export type Size = number | Pair;

/**
 * Every option of `T` by name, with any values: a table of defaults will do. A literal with an option too
 * few or too many does not compile.
 */
export type Names<T> = { readonly [K in keyof T]-?: unknown };

/** Plain objects and lists are shown with what they hold, instances of classes by their class. */
function showOption(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return show(value);
  return Object.getPrototypeOf(value) === Object.prototype ? show(value) : kindOf(value);
}

/** @param name of the option, after the function's name if the caller needs it: `conv2d: stride` */
export function refuseOption(name: string, expected: string, got: unknown): never {
  throw new ConvLSTMError('ERR_OPTION', `${name}: expected ${expected}, got ${showOption(got)}`);
}

/**
 * Refuses unknown options: a misspelt `batch_first` would have no effect.
 *
 * @example
 * ```ts
 * checkNames('Linear', options, { inFeatures: true, outFeatures: true, bias: true });
 * ```
 */
export function checkNames<T extends object>(
  module: string,
  options: T,
  known: NoInfer<Names<T>>,
): void {
  if (typeof options !== 'object' || options === null) refuseOption(module, 'an object', options);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw new ConvLSTMError(
      'ERR_OPTION',
      `${module} has no option '${name}'; it has ${Object.keys(known).join(', ')}`,
    );
  }
}

/** NaN and infinities are numbers. */
export function checkNumber(name: string, value: number): number {
  if (typeof value !== 'number') refuseOption(name, 'a number', value);
  return value;
}

export function checkPositive(name: string, value: number): number {
  if (!(typeof value === 'number' && value > 0)) refuseOption(name, 'a number above 0', value);
  return value;
}

export function checkAtLeastZero(name: string, value: number): number {
  if (!(typeof value === 'number' && value >= 0)) {
    refuseOption(name, 'a number of at least 0', value);
  }
  return value;
}

/** From 0 to 1, both included. */
export function checkFraction(name: string, value: number): number {
  if (!(typeof value === 'number' && value >= 0 && value <= 1)) {
    refuseOption(name, 'a number from 0 to 1', value);
  }
  return value;
}

/** From 0 to below 1. */
export function checkProbability(name: string, value: number): number {
  if (!(typeof value === 'number' && value >= 0 && value < 1)) {
    refuseOption(name, 'a number from 0 to below 1', value);
  }
  return value;
}

const integerFrom = (least: number) =>
  least === 1 ? 'a positive integer' : `an integer of at least ${least}`;

export function checkCount(name: string, value: number, least = 1): number {
  if (!Number.isSafeInteger(value) || value < least) refuseOption(name, integerFrom(least), value);
  return value;
}

export function checkSeed(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    refuseOption(name, 'an integer from 0 to 2^53 - 1', value);
  }
  return value;
}

export function checkFlag(name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') refuseOption(name, 'true or false', value);
  return value;
}

/** @example `checkChoice('reduction', reduction, ['mean', 'sum', 'none'])` */
export function checkChoice<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (!choices.includes(value)) {
    const quoted = choices.map((choice) => `'${choice}'`);
    const listed = [quoted.slice(0, -1).join(', '), quoted.at(-1)].filter(Boolean).join(' or ');
    refuseOption(name, listed, value);
  }
  return value;
}

export function checkSize(name: string, value: Size, least = 1): Pair {
  const pair: unknown = typeof value === 'number' ? [value, value] : value;
  if (
    !Array.isArray(pair) ||
    pair.length !== 2 ||
    !pair.every((size) => Number.isSafeInteger(size) && size >= least)
  ) {
    refuseOption(name, `${integerFrom(least)} or a [height, width] pair`, value);
  }
  return [pair[0], pair[1]] as const;
}
