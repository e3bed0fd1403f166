import { describe, expect, it } from 'vitest';
import { checkNames, checkSize } from '../src/options.js';

interface Options {
  width: number;
  height?: number | undefined;
}

const options: Options = { width: 1 };

describe('checkNames', () => {
  it('accepts the names of the interface, wherever they are listed', () => {
    checkNames('box', options, { width: true, height: true });
    const defaults = { width: 1, height: 2 };
    checkNames('box', options, defaults);
  });

  it('refuses an unknown name, and names of Object.prototype', () => {
    const known = { width: true, height: true };
    expect(() => checkNames<Options>('box', { ...options, widht: 2 } as Options, known)).toThrow(
      "box has no option 'widht'; it has width, height",
    );
    expect(() => checkNames<Options>('box', { ...options, toString: 2 } as never, known)).toThrow(
      "box has no option 'toString'",
    );
  });

  it('does not compile with a name too few or too many', () => {
    // @ts-expect-error height is missing
    expect(() => checkNames('box', { ...options, height: 1 }, { width: true })).toThrow();
    // @ts-expect-error depth is no option
    checkNames('box', options, { width: true, height: true, depth: true });
  });
});

describe('checkSize', () => {
  it('makes a pair of a number', () => {
    expect(checkSize('size', 3)).toEqual([3, 3]);
    expect(checkSize('size', [3, 5])).toEqual([3, 5]);
  });

  it.each([0, 1.5, [3], [3, 0], '3', null])('refuses %s', (value) => {
    expect(() => checkSize('size', value as number)).toThrow(
      /^size: expected a positive integer or a \[height, width\] pair, got /,
    );
  });

  it('takes 0 where that is the least', () => {
    expect(checkSize('padding', 0, 0)).toEqual([0, 0]);
    expect(() => checkSize('padding', -1, 0)).toThrow(/an integer of at least 0/);
  });
});
