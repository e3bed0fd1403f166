/** Checks of options. */
import type { Pair } from '../binding.js';
import { ConvLSTMError, show } from './errors.js';

/** Height and width; one number stands for both. */
export type Size = number | Pair;

function refuse(name: string, expected: string, got: unknown): never {
  throw new ConvLSTMError('ERR_OPTION', `${name}: expected ${expected}, got ${show(got)}`);
}

/** A misspelt option (`batch_first`) would otherwise be ignored. */
export function checkNames(module: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) refuse(module, 'an object', options);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        `${module} has no option '${name}'; it has ${known.join(', ')}`,
      );
    }
  }
}

/** NaN and infinities are numbers. */
export function checkNumber(name: string, value: number): number {
  if (typeof value !== 'number') refuse(name, 'a number', value);
  return value;
}

export function checkCount(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) refuse(name, 'a positive integer', value);
  return value;
}

export function checkFlag(name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') refuse(name, 'true or false', value);
  return value;
}

export function checkSize(name: string, value: Size, least = 1): Pair {
  const pair: unknown = typeof value === 'number' ? [value, value] : value;
  if (
    !Array.isArray(pair) ||
    pair.length !== 2 ||
    !pair.every((size) => Number.isSafeInteger(size) && size >= least)
  ) {
    const integer = least === 1 ? 'a positive integer' : `an integer of at least ${least}`;
    refuse(name, `${integer} or [height, width] of such`, value);
  }
  return [pair[0], pair[1]] as const;
}

export function checkProbability(name: string, value: number): number {
  if (!(value >= 0 && value < 1)) refuse(name, 'a number from 0 to below 1', value);
  return value;
}
