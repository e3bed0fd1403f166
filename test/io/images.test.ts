import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import * as gif from '../../src/io/gif.js';
import * as pgm from '../../src/io/pgm.js';
import * as png from '../../src/io/png.js';

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return Buffer.concat([length, body, check]);
}

interface Header {
  width?: number;
  height?: number;
  depth?: number;
  colorType?: number;
  interlace?: number;
}

function ihdr({ width = 2, height = 1, depth = 8, colorType = 0, interlace = 0 }: Header): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set([depth, colorType, 0, 0, interlace], 8);
  return chunk('IHDR', data);
}

const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
const end = chunk('IEND', Buffer.alloc(0));

function pngFile(header: Header, rows: readonly number[], ...before: Buffer[]): Buffer {
  const pixels = chunk('IDAT', deflateSync(Buffer.from(rows)));
  return Buffer.concat([signature, ihdr(header), ...before, pixels, end]);
}

describe('PNG', () => {
  it.each<[string, Buffer, number[]]>([
    ['8-bit grey', pngFile({}, [0, 0, 51]), [0, 0.2]],
    ['16-bit grey', pngFile({ depth: 16 }, [0, 0xff, 0xff, 0x33, 0x33]), [1, 0.2]],
    ['1-bit grey', pngFile({ depth: 1 }, [0, 0b01000000]), [0, 1]],
    [
      '16-bit colour',
      pngFile({ depth: 16, colorType: 2 }, [
        0,
        ...[0xff, 0xff, 0, 0, 0, 0],
        ...[0, 0, 0x33, 0x33, 0, 0],
      ]),
      [0.299, 0.1174],
    ],
    [
      '16-bit grey with alpha',
      pngFile({ depth: 16, colorType: 4 }, [0, 0x33, 0x33, 0, 0, 0, 0, 9, 9]),
      [0.2, 0],
    ],
    ['4-bit grey', pngFile({ depth: 4 }, [0, 0x3f]), [0.2, 1]],
    ['interlaced grey', pngFile({ interlace: 1 }, [0, 51, 0, 255]), [0.2, 1]],
    ['grey with alpha', pngFile({ colorType: 4 }, [0, 255, 0, 51, 255]), [1, 0.2]],
    ['colour', pngFile({ colorType: 2 }, [0, 255, 0, 0, 0, 255, 0]), [0.299, 0.587]],
    [
      'colour with alpha',
      pngFile({ colorType: 6 }, [0, 0, 0, 255, 0, 255, 255, 255, 9]),
      [0.114, 1],
    ],
    [
      'a palette',
      pngFile({ colorType: 3 }, [0, 1, 0], chunk('PLTE', Buffer.of(0, 0, 0, 255, 255, 255))),
      [1, 0],
    ],
  ])('reads %s', async (_, bytes, expected) => {
    const { data, shape } = await png.load(bytes);
    expect(shape).toEqual([1, 2]);
    expect([...data]).toEqual(expected.map(Math.fround));
  });

  it.each([8, 16] as const)('round-trips %i bits', async (bitDepth) => {
    const max = 2 ** bitDepth - 1;
    const data = Float32Array.from({ length: 15 }, (_, i) => Math.round((i * max) / 14) / max);
    const bytes = png.encode({ data, shape: [1, 3, 5] }, { bitDepth });
    expect([bytes[24], bytes[25]]).toEqual([bitDepth, 0]);
    expect(await png.load(bytes)).toEqual({ data, shape: [3, 5] });
  });

  it('clamps values outside 0..1 and writes NaN as #4060a0', async () => {
    const bytes = png.encode({ data: Float32Array.of(-1, 2, Number.NaN), shape: [1, 3] });
    const { data } = await png.load(bytes);
    expect([...data.subarray(0, 2)]).toEqual([0, 1]);
    const luma = (0.299 * 0x40 + 0.587 * 0x60 + 0.114 * 0xa0) / 255;
    expect(data[2]).toBeCloseTo(luma, 2);
  });

  const good = pngFile({}, [0, 0, 51]);
  const flipped = Buffer.from(good);
  flipped[good.length - 20]! ^= 1;
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', Buffer.alloc(0), /not a PNG/],
    ['a signature alone', signature, /not a PNG/],
    [
      'an interlaced file of too few bytes, which pngjs inflates without limit',
      pngFile({ interlace: 1 }, [0]),
      /2x1 pixels take 4 bytes, got 1/,
    ],
    ['an unknown way to interlace', pngFile({ interlace: 2 }, [0]), /method 0 or 1, got 2/],
    [
      'an animation (APNG)',
      pngFile({}, [0, 0, 51], chunk('acTL', Buffer.of(0, 0, 0, 3, 0, 0, 0, 0))),
      /expected one image, got 3 \(APNG\)/,
    ],
    [
      'a size that its bytes cannot hold',
      pngFile({ width: 30000, height: 1000 }, [0]),
      /damaged|got 1/,
    ],
    [
      'more pixels than the limit',
      pngFile({ width: 2 ** 31 - 1, height: 2 ** 31 - 1 }, [0]),
      /expected at most 33554432 pixels/,
    ],
    [
      'a second header',
      Buffer.concat([signature, ihdr({}), ihdr({ width: 9 }), good.subarray(33)]),
      /one header/,
    ],
    [
      'a header that comes late',
      Buffer.concat([signature, end, ihdr({}), good.subarray(33)]),
      /one header/,
    ],
    ['too few pixels', pngFile({ height: 2 }, [0, 0, 0]), /2x2 pixels take 6 bytes, got 3/],
    ['a broken checksum', flipped, /damaged/],
    [
      'pixels that are not deflated',
      Buffer.concat([signature, ihdr({}), chunk('IDAT', Buffer.of(1, 2, 3)), end]),
      /damaged/,
    ],
    [
      'a palette index out of range',
      pngFile({ colorType: 3 }, [0, 9, 0], chunk('PLTE', Buffer.alloc(3))),
      /damaged/,
    ],
    ['a cut file', good.subarray(0, good.length - 30), /damaged/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(png.load(bytes)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(png.load(bytes)).rejects.toThrow(message);
  });

  it('refuses other shapes than frames', () => {
    const shapes = [[3], [2, 1, 3], [0, 3], [1, 1, 2, 2], [2, 2]];
    for (const shape of shapes) {
      expect(() => png.encode({ data: new Float32Array(3), shape })).toThrow(/^frame: /);
    }
  });
});

describe('PGM', () => {
  const text = (content: string) => Buffer.from(content, 'latin1');

  it.each<[string, Buffer, number[]]>([
    ['text', text('P2\n# a comment\n2 1 # width, height\n100\n100 20\n'), [1, 0.2]],
    ['text without a last newline', text('P2 2 1 1 1 0'), [1, 0]],
    ['bytes', text('P5\n2 1\n255\n\xff\x33'), [1, 0.2]],
    ['bytes that look like blanks', text('P5\n2 1\n32\n\x20\x0a'), [1, 10 / 32]],
    ['12 bits in two bytes', text('P5 2 1 4095 \x03\x33\x0f\xff'), [819 / 4095, 1]],
    ['16 bits as text', text('P2 2 1 65535 13107 65535'), [0.2, 1]],
    ['two bytes a pixel', text('P5 2 1 65535 \x33\x33\xff\xff'), [0.2, 1]],
  ])('reads %s', async (_, bytes, expected) => {
    const { data, shape } = await pgm.load(bytes);
    expect(shape).toEqual([1, 2]);
    expect([...data]).toEqual(expected.map(Math.fround));
  });

  it.each<[string, string]>([
    ['bytes', 'P5 2 1 255 \xff\0P5\n2 1\n# a comment\n255\n\x33\xff'],
    ['two bytes a pixel after one', 'P5 2 1 255 \xff\0P5 2 1 65535 \x33\x33\xff\xff'],
    ['text', 'P2 2 1 5 5 0\nP2 2 1 5 1 5\n'],
    ['text and bytes', 'P2 2 1 5 5 0 P5 2 1 5 \x01\x05'],
  ])('reads several images of one stream as [T, H, W]: %s', async (_, content) => {
    const { data, shape } = await pgm.load(text(content));
    expect(shape).toEqual([2, 1, 2]);
    expect([...data]).toEqual([1, 0, Math.fround(0.2), 1]);
  });

  it.each([8, 16] as const)('round-trips %i bits', async (bitDepth) => {
    const max = 2 ** bitDepth - 1;
    const data = Float32Array.from({ length: 15 }, (_, i) => Math.round((i * max) / 14) / max);
    const bytes = pgm.encode({ data, shape: [5, 3] }, { bitDepth });
    expect(await pgm.load(bytes)).toEqual({ data, shape: [5, 3] });
  });

  it.each<[string, string, RegExp]>([
    ['nothing', '', /not a PGM/],
    ['colour', 'P6\n1 1\n255\nabc', /not a PGM/],
    ['an end in the header', 'P5\n2', /height is not a number/],
    ['a negative width', 'P5\n-2 1\n255\nab', /width is not a number/],
    ['a number with a tail', 'P5\n2x 1\n255\nab', /width is not a number/],
    ['a number of ten digits', 'P5\n1000000000 1\n255\nab', /width is not a number/],
    ['no pixels', 'P5\n0 1\n255\n', /holds no pixels/],
    ['a maximum of 0', 'P5\n2 1\n0\nab', /maximum 0/],
    ['a maximum of 65536', 'P5\n2 1\n65536\nab', /maximum 65536/],
    ['a size beyond its bytes', 'P5\n999999999 999999999\n255\nab', /got 2/],
    ['a size beyond its text', 'P2\n999999999 999999999\n255\n1 2', /got 4/],
    [
      'bytes after the pixels',
      'P5\n2 1\n255\nabc',
      /bytes: more than 2 pixels: expected the end or another image at byte 13/,
    ],
    ['a second image of another size', 'P5 1 1 255 aP5 2 1 255 ab', /image 1: expected \[1,1\] as/],
    [
      'a second image that is cut',
      'P5 1 1 255 aP5 1 1 255 ',
      /image 1: 1x1 pixels take 1 bytes, got 0/,
    ],
    ['text after the pixels', 'P2\n2 1\n255\n1 2 3', /more than 2 pixels/],
    ['letters for pixels', 'P2\n2 1\n255\n1 abc', /pixel is not a number/],
    ['a pixel over the maximum', 'P5\n2 1\n9\na\0', /pixel 97 is over/],
  ])('refuses %s', async (_, content, message) => {
    await expect(pgm.load(text(content))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(pgm.load(text(content))).rejects.toThrow(message);
  });
});

describe('GIF', () => {
  const frame = (value: number) => ({ data: new Float32Array(6).fill(value), shape: [2, 3] });

  it('has one image per frame, a grey palette, and repeats', () => {
    const bytes = Buffer.from(gif.encode([frame(0), frame(0.5), frame(1)], { delay: 250 }));
    expect(bytes.toString('latin1', 0, 6)).toBe('GIF89a');
    expect([bytes.readUInt16LE(6), bytes.readUInt16LE(8)]).toEqual([3, 2]);
    const palette = bytes.subarray(13, 13 + 3 * 256);
    expect([...palette.subarray(3 * 128, 3 * 128 + 3)]).toEqual([128, 128, 128]);
    expect(bytes.includes('NETSCAPE2.0')).toBe(true);
    // A graphic control extension before each image: 21 F9 04, flags, delay in hundredths.
    const delays: number[] = [];
    const mark = Buffer.of(0x21, 0xf9, 4);
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
      delays.push(bytes.readUInt16LE(at + 4));
    }
    expect(delays).toEqual([25, 25, 25]);
    expect(bytes.at(-1)).toBe(0x3b);
  });

  it('refuses an empty list and frames of two sizes', () => {
    expect(() => gif.encode([])).toThrow('frames: expected a list of at least one, got []');
    const other = { data: new Float32Array(6), shape: [3, 2] };
    expect(() => gif.encode([frame(0), other])).toThrow('frame 1: expected [2, 3], got [3, 2]');
    const wide = { data: new Float32Array(65536), shape: [1, 65536] };
    expect(() => gif.encode([wide])).toThrow(
      'frame: expected sides of at most 65535, got [1, 65536]',
    );
  });
});
