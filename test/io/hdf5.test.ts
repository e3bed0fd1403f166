import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readFrames } from '../../src/io/frames.js';
import * as hdf5 from '../../src/io/hdf5.js';
import { composite } from '../support/composite.js';
import { uniform } from '../support/numbers.js';

describe('reading touches no file of the disk', () => {
  const before = process.cwd();
  afterEach(() => process.chdir(before));

  it('a file of any name in the working directory stays', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'convlstm-hdf5-'));
    try {
      const names = ['composite.h5', 'test.h5'];
      const bytes = composite();
      for (const name of names) writeFileSync(path.join(folder, name), bytes);
      process.chdir(folder);
      await hdf5.load(bytes);
      await hdf5.load('composite.h5');
      expect(readdirSync('.').sort()).toEqual(names);
      for (const name of names) expect(readFileSync(name)).toEqual(Buffer.from(bytes));
    } finally {
      process.chdir(before);
      rmSync(folder, { recursive: true });
    }
  });

  it.runIf(process.platform === 'linux')('the working directory may be read-only', async () => {
    const bytes = composite();
    process.chdir('/proc');
    expect((await hdf5.load(bytes)).shape).toEqual([2, 2]);
  });
});

describe('a radar composite', () => {
  it('is read as mm/h, missing pixels as the fill value, with its time', async () => {
    const bytes = composite({ start: '26-AUG-2010;04:55:00.000', end: '26-AUG-2010;05:00:00.000' });
    const { data, shape, time } = await hdf5.load(bytes);
    expect(shape).toEqual([2, 2]);
    expect([...data]).toEqual([0, 12, 0, 0.84].map(Math.fround));
    expect(time).toEqual(new Date('2010-08-26T05:00:00Z'));
    const filled = await hdf5.load(bytes, { missing: Number.NaN });
    expect([...filled.data]).toEqual([0, 12, Number.NaN, 0.84].map(Math.fround));
  });

  it('uses the calibration and duration of the file', async () => {
    const bytes = composite({
      pixels: Uint8Array.of(0, 10, 255, 254),
      formula: 'GEO = 0.5 * PV + -1.0',
      missing: 255,
      start: '01-JAN-2020;00:00:00.000',
      end: '01-JAN-2020;00:10:00.000',
    });
    expect([...(await hdf5.load(bytes)).data]).toEqual([-6, 24, 0, 756]);
  });

  it('of reflectivity becomes a rain rate by Z = a R^b', async () => {
    const bytes = composite({
      pixels: Uint8Array.of(0, 110, 64, 255),
      formula: 'GEO = 0.500000 * PV + -32.000000',
      missing: 255,
      quantity: 'REFLECTIVITY_[DBZ]',
    });
    const { data } = await hdf5.load(bytes);
    // 23 dBZ: (10^2.3 / 200)^(1 / 1.6); 1 dBZ to 0.0421 mm/h as pysteps' tests have it, 0 dBZ less.
    expect(data[1]).toBeCloseTo((10 ** 2.3 / 200) ** 0.625, 6);
    expect(data[2]).toBeCloseTo(200 ** -0.625, 6);
    expect([data[0], data[3]]).toEqual([0, 0]); // no echo, and missing
    const other = await hdf5.load(bytes, { zr: { a: 223, b: 1.53 } });
    expect(other.data[1]).toBeCloseTo((10 ** 2.3 / 223) ** (1 / 1.53), 6);
  });

  it('of 1 dBZ is 0.04210719 mm/h, as pysteps has it', async () => {
    const quantity = 'REFLECTIVITY_[DBZ]';
    const bytes = composite({
      pixels: Uint16Array.of(100, 100, 100, 100),
      formula: 'GEO=0.01*PV+0.0',
      quantity,
    });
    expect((await hdf5.load(bytes)).data[0]).toBeCloseTo(0.04210719, 7);
  });

  it.each(['ECHO_TOP_[KM]', 'HAIL', ''])(
    'of another quantity is refused by its name: %s',
    async (quantity) => {
      const bytes = composite({ quantity: quantity || '[]' });
      const error = { code: 'ERR_FORMAT', message: expect.stringContaining(quantity) };
      await expect(hdf5.load(bytes)).rejects.toMatchObject(error);
    },
  );

  it('of several images gives the first by load, all in order of their numbers by loadAll', async () => {
    const bytes = composite({ pixels: Uint16Array.of(1, 2, 3, 4), images: 12 });
    expect((await hdf5.load(bytes)).data[0]).toBe(Math.fround(0.12));
    expect((await hdf5.load(bytes)).time).toBeNull();
    const images = await hdf5.loadAll(bytes);
    expect(images.map(({ data }) => data[0])).toEqual(
      images.map((_, n) => Math.fround((n + 1) * 0.12)),
    );
    expect(images.map(({ time }) => time)).toEqual(images.map(() => null));
  });

  // By h5py: create_dataset('image1/image_data', data=..., compression='lzf').
  it('by a filter that is absent names it', async () => {
    const file = new URL('../fixtures/lzf.h5', import.meta.url);
    await expect(hdf5.load(file)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(hdf5.load(file)).rejects.toThrow(
      /image1\/image_data is compressed by filter 32000 \(lzf\), .*h5repack/,
    );
  });

  it('takes the minutes of an accumulation from the caller where the file has none', async () => {
    const bytes = composite({ pixels: Uint16Array.of(100, 0, 0, 0) });
    expect((await hdf5.load(bytes, { minutes: 15 })).data[0]).toBe(4);
    for (const options of [{ minutes: 0 }, { zr: { a: 0 } }, { zr: { c: 1 } }] as never[]) {
      await expect(hdf5.load(bytes, options)).rejects.toMatchObject({ code: 'ERR_OPTION' });
    }
  });

  it('is read by readFrames', async () => {
    for await (const { data, shape } of readFrames(composite())) {
      expect(shape).toEqual([1, 2, 2]);
      expect(data[1]).toBe(12);
    }
    expect.assertions(2);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    ['is no HDF5', () => new Uint8Array(100), /not an HDF5 file/],
    ['is cut short', () => composite().subarray(0, 600), /damaged/],
    ['has no image', () => composite({ path: 'other' }), /no dataset image1\/image_data/],
    ['has a row for an image', () => composite({ shape: [4] }), /expected \[H, W\]/],
    [
      'has floats for pixels',
      () => composite({ pixels: new Float32Array(4) }),
      /expected uint8 or uint16/,
    ],
    [
      'has a formula of another form',
      () => composite({ formula: 'GEO=log(PV)' }),
      /expected 'GEO=a\*PV\+b'/,
    ],
    [
      'ends before it starts',
      () => composite({ start: '26-AUG-2010;05:00:00.000', end: '26-AUG-2010;04:55:00.000' }),
      /above 0 minutes, or the option minutes, got -5/,
    ],
  ])('that %s gets ERR_FORMAT', async (_, bytes, message) => {
    await expect(hdf5.load(bytes())).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(hdf5.load(bytes())).rejects.toThrow(message);
  });

  it('with damaged bytes gets ERR_FORMAT or is read, and the next file is read as ever', async () => {
    const good = composite();
    const next = uniform(5);
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const bytes = good.slice();
      for (let k = 0; k < 10; k++)
        bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      await hdf5.load(bytes).catch((error) => {
        expect(error).toMatchObject({ code: 'ERR_FORMAT' });
        refused++;
      });
    }
    expect(refused).toBeGreaterThan(0);
    expect((await hdf5.load(good)).data[1]).toBe(12);
  });
});
