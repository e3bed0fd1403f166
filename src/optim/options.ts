import { ConvLSTMError, show } from '../errors.js';

/** @throws ConvLSTMError ERR_OPTION that names the option */
export function checkAtLeastZero(options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (!(typeof value === 'number' && value >= 0)) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        `${name}: expected a number of at least 0, got ${show(value)}`,
      );
    }
  }
}
