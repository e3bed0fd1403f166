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
      /above 0 minutes, got -5/,
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
