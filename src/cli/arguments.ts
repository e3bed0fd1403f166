/** Arguments that several commands have. */
import { InvalidArgumentError } from 'commander';

/** @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('Expected a positive integer.');
}
