import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jpeg } from '../../src/index.js';

const {
  shape,
  cases,
}: { shape: number[]; cases: Record<string, { file: string; luma: number[] }> } = JSON.parse(
  readFileSync(new URL('../fixtures/jpeg.json', import.meta.url), 'utf8'),
);
const file = (name: string) => Buffer.from(cases[name]!.file, 'base64');

describe('JPEG of libjpeg-turbo', () => {
  it.each(Object.keys(cases))('%s is within 2/255', async (name) => {
    const image = await jpeg.load(file(name));
    expect(image.shape).toEqual(shape);
    const worst = Math.max(
      ...image.data.map((value, i) => Math.abs(value - cases[name]!.luma[i]!)),
    );
    expect(worst).toBeLessThan(2 / 255);
  });
});

describe('JPEG refused', () => {
  const grey = file('grey');
  const colour = file('colour 4:4:4');
  const frameAt = grey.indexOf(Buffer.of(0xff, 0xc0));
  const patched = (offset: number, ...bytes: number[]) => {
    const copy = Buffer.from(grey);
    copy.set(bytes, frameAt + offset);
    return copy;
  };
  const scanAt = grey.indexOf(Buffer.of(0xff, 0xda));

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /is not a JPEG file/],
    ['a start alone', Buffer.of(0xff, 0xd8, 0xff), /damaged or cut JPEG/],
    ['a cut header', grey.subarray(0, frameAt + 6), /damaged or cut JPEG/],
    ['a cut scan', grey.subarray(0, grey.length - 40), /damaged or cut JPEG/],
    ['a cut colour scan', colour.subarray(0, colour.length - 40), /damaged or cut JPEG/],
    ['no end', grey.subarray(0, grey.length - 2), /damaged or cut JPEG/],
    [
      'a cut scan with an end',
      Buffer.concat([grey.subarray(0, scanAt + 30), Buffer.of(0xff, 0xd9)]),
      /damaged JPEG/,
    ],
    ['several images', Buffer.concat([grey, grey]), /expected one JPEG image, got several/],
    ['12 bits', patched(4, 12), /expected 8 bits per sample, got 12/],
    ['arithmetic coding', patched(1, 0xc9), /got one that is arithmetic/],
    ['no height', patched(5, 0, 0), /27x0 holds no pixels/],
    ['a size beyond the limit', patched(5, 0xff, 0xff, 0xff, 0xff), /at most 33554432 pixels/],
    ['a size beyond its bytes', patched(5, 0x10, 0, 0x10, 0), /4096x4096 pixels do not fit into/],
    ['a wrong count of components', patched(9, 2), /frame header is damaged/],
  ])('with %s', async (_, bytes, message) => {
    await expect(jpeg.load(bytes)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(jpeg.load(bytes)).rejects.toThrow(message);
  });

  it('with CMYK', async () => {
    const frame = Buffer.of(0xff, 0xc0, 0, 20, 8, 0, 1, 0, 1, 4);
    const components = Buffer.concat([1, 2, 3, 4].map((id) => Buffer.of(id, 0x11, 0)));
    const bytes = Buffer.concat([Buffer.of(0xff, 0xd8), frame, components, Buffer.of(0xff, 0xd9)]);
    await expect(jpeg.load(bytes)).rejects.toThrow(/got 4 \(CMYK\)/);
  });
});
