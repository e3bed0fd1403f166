import { describe, expect, it } from 'vitest';
import { MovingMnist, type MovingMnistOptions } from '../../src/index.js';

/** One digit, a full square of `side`, whose position shows in a frame. */
const square = (side: number, value = 255) => ({
  data: new Uint8Array(side * side).fill(value),
  shape: [1, side, side],
});

/** Position of the upper left pixel of the square in each frame. */
function places(options: MovingMnistOptions, side: number): [number, number][] {
  const source = new MovingMnist(square(side), { numDigits: 1, ...options });
  const { data, shape } = source.sequence(0);
  const [frames, , size] = shape as [number, number, number, number];
  return Array.from({ length: frames }, (_, t) => {
    const frame = data.subarray(t * size * size, (t + 1) * size * size);
    expect(frame.reduce((sum, value) => sum + value, 0)).toBe(side * side);
    const first = frame.indexOf(1);
    return [Math.floor(first / size), first % size];
  });
}

describe('MovingMnist', () => {
  it('returns the same sequences for the same seed, in one batch or one by one', () => {
    const digits = { data: Uint8Array.from({ length: 90 }, (_, i) => 2 * i), shape: [10, 3, 3] };
    const one = new MovingMnist(digits, { seed: 7, size: 16 });
    const other = new MovingMnist(digits, { seed: 7, size: 16 });
    const batch = one.batch(2);
    expect(batch.shape).toEqual([2, 20, 1, 16, 16]);
    const [first, second] = [other.sequence(0), other.sequence(1)];
    expect(first.shape).toEqual([20, 1, 16, 16]);
    expect([...batch.data]).toEqual([...first.data, ...second.data]);
    expect(first.data).not.toEqual(second.data);
    expect(new MovingMnist(digits, { seed: 8, size: 16 }).sequence(0).data).not.toEqual(first.data);
  });

  it('moves each digit straight at its speed, and reverses it only at the walls', () => {
    for (let seed = 0; seed < 50; seed++) {
      const limit = 64 - 28;
      const way = places({ seed, frames: 60 }, 28);
      const touches = ([y, x]: [number, number]) => [
        y === 0 || y === limit,
        x === 0 || x === limit,
      ];
      let fastest = 0;
      for (let t = 1; t < way.length; t++) {
        const [before, now] = [way[t - 1]!, way[t]!];
        fastest = Math.max(fastest, Math.hypot(now[0] - before[0], now[1] - before[1]));
        if (t === 1) continue;
        const earlier = way[t - 2]!;
        for (const axis of [0, 1] as const) {
          const [old, next] = [before[axis] - earlier[axis], now[axis] - before[axis]];
          // Positions are rounded to pixels, so steps of one velocity differ by one.
          const turned = Math.abs(next - old) > 1;
          if (turned)
            expect([earlier, before, now].some((place) => touches(place)[axis])).toBe(true);
        }
      }
      expect(fastest).toBeGreaterThan(2.5);
      expect(fastest).toBeLessThan(5 + Math.SQRT2);
    }
  });

  it('stays inside the frame, reaches its walls and uses every direction', () => {
    const all = Array.from({ length: 40 }, (_, seed) => places({ seed, frames: 40 }, 28)).flat();
    for (const axis of [0, 1] as const) {
      const sides = all.map((place) => place[axis]);
      expect(Math.min(...sides)).toBe(0);
      expect(Math.max(...sides)).toBe(36);
    }
    const firsts = Array.from({ length: 40 }, (_, seed) => {
      const [a, b] = places({ seed, frames: 2 }, 28);
      return `${Math.sign(b![0] - a![0])}${Math.sign(b![1] - a![1])}`;
    });
    for (const direction of ['11', '1-1', '-11', '-1-1']) expect(firsts).toContain(direction);
  });

  it('shows the brighter of two overlapping digits', () => {
    const digits = {
      data: Uint8Array.of(...Array(16).fill(51), ...Array(16).fill(204)),
      shape: [2, 4, 4],
    };
    const source = new MovingMnist(digits, { seed: 3, size: 5, numDigits: 4, speed: [0, 1] });
    const values = new Set(source.batch(20).data);
    expect([...values].sort()).toEqual([0, 51 / 255, 204 / 255].map(Math.fround));
  });

  it('does not move at speed 0, even when the digit fills the frame', () => {
    const way = places({ seed: 1, size: 4, speed: [0, 0], frames: 5 }, 4);
    expect(way).toEqual(Array(5).fill([0, 0]));
  });

  it('lets digits leave the frame without bounce', () => {
    const source = new MovingMnist(square(3), { size: 8, numDigits: 1, bounce: false, seed: 4 });
    for (let n = 0; n < 20; n++) {
      const { data } = source.sequence(n);
      const sums = Array.from({ length: 20 }, (_, t) =>
        data.subarray(64 * t, 64 * (t + 1)).reduce((sum, value) => sum + value, 0),
      );
      expect(sums[0]).toBe(9);
      expect(sums[5]).toBe(0); // 5 frames at 3 pixels a frame or more, along some axis 2 or more
      for (let t = 1; t < 20; t++) expect(sums[t]).toBeLessThanOrEqual(sums[t - 1]!);
    }
  });

  it('numbers samples consecutively over epochs, each split in two', () => {
    const options = { seed: 2, size: 6, length: 3, frames: 5, inputLength: 2 };
    const source = new MovingMnist(square(2), options);
    const { input, target } = source.get(1, 2);
    expect([input.shape, target.shape]).toEqual([
      [2, 1, 6, 6],
      [3, 1, 6, 6],
    ]);
    expect([...input.data, ...target.data]).toEqual([...source.sequence(7).data]);
    expect(source.get(1).input.data).toEqual(source.sequence(1).data.subarray(0, 72));
    expect(source.batch(2, 7).data.subarray(0, 180)).toEqual(source.sequence(7).data);
    // A number above 2^32 is a different sequence, not number 7 again.
    expect(source.sequence(7 + 2 ** 32).data).not.toEqual(source.sequence(7).data);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['no digits', () => new MovingMnist('train' as never), /digits: expected what loadIdx returns/],
    ['no sequences', () => new MovingMnist(square(2), { length: 0 }), /length/],
    [
      'more input than frames',
      () => new MovingMnist(square(2), { frames: 3, inputLength: 4 }),
      /inputLength: expected at most frames, 3, got 4/,
    ],
    [
      'digits that are not square',
      () => new MovingMnist({ data: new Uint8Array(6), shape: [1, 2, 3] }),
      /digits/,
    ],
    [
      'digits with pixels missing',
      () => new MovingMnist({ data: new Uint8Array(7), shape: [2, 2, 2] }),
      /digits: \[2, 2, 2\] does not hold 7 values/,
    ],
    [
      'an unknown option',
      () => new MovingMnist(square(2), { numdigits: 2 } as object),
      /no option 'numdigits'/,
    ],
    ['no digits', () => new MovingMnist({ data: new Uint8Array(0), shape: [0, 2, 2] }), /digits/],
    [
      'digits larger than the frame',
      () => new MovingMnist(square(3), { size: 2 }),
      /side at most 2/,
    ],
    ['labels', () => new MovingMnist({ data: new Uint8Array(4), shape: [4] }), /digits/],
    ['a seed that is none', () => new MovingMnist(square(2), { seed: -1 }), /seed/],
    ['no frames', () => new MovingMnist(square(2), { frames: 0 }), /frames/],
    ['a sequence before the first', () => new MovingMnist(square(2)).get(-1), /sequence: .* -1/],
    ['no sequences at all', () => new MovingMnist(square(2)).batch(0), /count/],
    ['half a digit', () => new MovingMnist(square(2), { numDigits: 0.5 }), /numDigits/],
    ['a speed range upside down', () => new MovingMnist(square(2), { speed: [5, 3] }), /speed/],
    [
      'a speed that is not a number',
      () => new MovingMnist(square(2), { speed: [Number.NaN, 3] }),
      /speed/,
    ],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});
