import { expect, it } from 'vitest';
import { loadIdx } from '../../src/index.js';

function file(type: number, sizes: number[], data: number): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, type, sizes.length]);
  sizes.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis);
  });
  return Buffer.concat([header, Buffer.from(Array.from({ length: data }, (_, i) => i))]);
}

it('reads a copy of the bytes, with their shape', async () => {
  const bytes = file(8, [2, 1, 3], 6);
  const { data, shape } = await loadIdx(bytes);
  bytes.fill(0xff);
  expect(shape).toEqual([2, 1, 3]);
  expect([...data]).toEqual([0, 1, 2, 3, 4, 5]);
});

it.each<[string, Uint8Array, RegExp]>([
  ['nothing', Buffer.alloc(0), /not an IDX file/],
  ['another magic number', Buffer.of(1, 0, 8, 1, 0, 0, 0, 0), /not an IDX file/],
  ['a gzip of one', Buffer.of(0x1f, 0x8b, 8, 0), /not an IDX file/],
  ['floats', file(0x0d, [1], 4), /expected unsigned bytes \(type 8\), got type 13/],
  ['no dimensions', file(8, [], 0), /does not match/],
  ['dimensions beyond its end', file(8, [1, 1], 1).subarray(0, 9), /2 dimensions do not fit/],
  ['too few bytes', file(8, [2, 3], 5), /\[2,3\] does not match the 5 bytes/],
  ['too many bytes', file(8, [2, 3], 7), /does not match the 7 bytes/],
  ['a product beyond counting', file(8, [2 ** 32 - 1, 2 ** 32 - 1, 2], 1), /does not match/],
  ['a product that wraps to its length', file(8, [2 ** 31, 2 ** 31, 4], 0), /does not match/],
])('refuses %s', async (_, bytes, message) => {
  await expect(loadIdx(bytes)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  await expect(loadIdx(bytes)).rejects.toThrow(message);
});
