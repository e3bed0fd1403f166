// Mutations of bytes and of JSON for fuzz tests; seeded, so that a failure can be repeated.
import { uniform } from './numbers.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export class Mutator {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = uniform(seed);
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** One to four changes: set a byte; flip a bit; remove, double or move a piece; cut the end. */
  bytes(original: Uint8Array): Uint8Array {
    let bytes = [...original];
    for (let changes = 1 + this.below(4); changes > 0; changes--) {
      const at = this.below(bytes.length + 1);
      const length = 1 + this.below(this.pick([1, 4, 16]));
      const piece = bytes.slice(at, at + length);
      const kind = this.below(7);
      if (kind === 0) bytes[at] = this.below(256);
      else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << this.below(8));
      else if (kind === 2) bytes.splice(at, length);
      else if (kind === 3) bytes.splice(at, 0, ...piece);
      else if (kind === 4)
        bytes.splice(this.below(bytes.length + 1), 0, ...bytes.splice(at, length));
      else if (kind === 5)
        bytes[at] = this.pick([0, 0x7f, 0x80, 0xff, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x7b]);
      else bytes = bytes.slice(0, at);
    }
    return Uint8Array.from(bytes);
  }

  /** The beginning of one file and the end of another. */
  splice(head: Uint8Array, tail: Uint8Array): Uint8Array {
    const cut = this.below(head.length + 1);
    return Uint8Array.from([
      ...head.subarray(0, cut),
      ...tail.subarray(this.below(tail.length + 1)),
    ]);
  }

  /** A copy with one to three values replaced. */
  json(original: Json): Json {
    let value = original;
    for (let changes = 1 + this.below(3); changes > 0; changes--)
      value = this.changeOnePlace(value);
    return value;
  }

  private changeOnePlace(value: Json): Json {
    if (typeof value !== 'object' || value === null || this.next() < 0.1)
      return this.otherValue(value);
    if (Array.isArray(value)) {
      const copy = [...value];
      const at = this.below(copy.length + 1);
      const kind = this.below(6);
      if (kind === 0) copy.splice(at, 1);
      else if (kind === 1) copy.splice(at, 0, this.otherValue(copy[at] ?? 1));
      else if (kind === 2) copy.reverse();
      else if (at < copy.length) copy[at] = this.changeOnePlace(copy[at]!);
      return copy;
    }
    const entries = Object.entries(value);
    const at = this.below(entries.length);
    const entry = entries[at];
    if (!entry) return { x: this.otherValue(null) };
    const kind = this.below(8);
    if (kind === 0) entries.splice(at, 1);
    else if (kind === 1) entry[0] = this.otherKey(entry[0]);
    else if (kind === 2) entries.push([this.otherKey(entry[0]), entry[1]]);
    else entry[1] = this.changeOnePlace(entry[1]);
    return Object.fromEntries(entries);
  }

  private otherKey(key: string): string {
    const strange = [
      '',
      '__proto__',
      'constructor',
      '__metadata__',
      'dtype',
      'shape',
      'data_offsets',
    ];
    return this.pick([
      ...strange,
      `${key}x`,
      key.slice(1),
      key.toUpperCase(),
      'k'.repeat(2000),
      '\u0000',
    ]);
  }

  private otherValue(value: Json): Json {
    if (typeof value === 'number' && this.next() < 0.6) {
      return this.pick([
        value + 1,
        value - 1,
        -value,
        value * 2,
        value / 2,
        value + 0.5,
        value * 2 ** 20,
      ]);
    }
    return this.pick<Json>([
      null,
      true,
      false,
      0,
      -0,
      -1,
      1,
      4,
      0.1,
      2 ** 31,
      2 ** 32,
      2 ** 40,
      2 ** 53,
      1e300,
      '',
      '4',
      'F32',
      'F16',
      'BF16',
      'F64',
      'I64',
      'U8',
      'BOOL',
      'f32',
      'F4',
      'toString',
      [],
      {},
      [[]],
      [0],
      [2 ** 30, 2 ** 30],
      [0, 2 ** 53],
      [0, 4],
      [4, 0],
      Array(40).fill(1),
      { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
      { a: 'b' },
      { a: 1 },
    ]);
  }
}
