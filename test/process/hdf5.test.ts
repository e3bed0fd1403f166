// Damaged HDF5 files, decoded by the built package: the HDF5 library loops for ever over some, and a
// worker thread with a limit of time keeps that from the caller.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { hdf5 } from '../../dist/index.js';
import { composite } from '../support/composite.js';
import { uniform } from '../support/numbers.js';

const folder = mkdtempSync(path.join(tmpdir(), 'convlstm-hdf5-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('decodes on a thread that neither blocks the event loop nor keeps the process', async () => {
  const file = path.join(folder, 'good.h5');
  writeFileSync(file, composite());
  const program = `
    import { hdf5 } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const all = await Promise.all([1, 2, 3].map(() => hdf5.load(${JSON.stringify(file)})));
    clearInterval(timer);
    console.log(all.map(({ data }) => data[1]).join(), turns > 0);`;
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  expect((await run).stdout).toBe('12,12,12 true\n');
});

// Byte 2072 of a file by h5py was changed to 143: the HDF5 library never ends.
it('ends a decoder that loops for ever, names the file, and decodes the next one', async () => {
  const endless = new URL('../fixtures/endless.h5', import.meta.url);
  const [damaged, good] = await Promise.allSettled([hdf5.load(endless), hdf5.load(composite())]);
  expect(damaged).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'ERR_FORMAT',
      message: expect.stringMatching(/endless.h5: is a damaged HDF5 file: .* longer than 10 s$/),
    },
  });
  expect(good).toMatchObject({ status: 'fulfilled', value: { shape: [2, 2] } });
});

it('gives images or ERR_FORMAT for 1,000 files of which some bytes were changed', async () => {
  const good = composite({ images: 2, quantity: 'REFLECTIVITY_[DBZ]' });
  const next = uniform(11);
  const below = (count: number) => Math.floor(next() * count);
  const codes = new Map<string, number>();
  for (let round = 0; round < 1000; round++) {
    const bytes = good.slice(0, below(20) === 0 ? below(good.length) : good.length);
    for (let flips = 1 + below(4); flips > 0; flips--) bytes[below(bytes.length)] = below(256);
    const outcome = await hdf5.loadAll(bytes).then(
      () => 'read',
      (error) => error.code,
    );
    codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
  }
  expect([...codes.keys()].sort()).toEqual(['ERR_FORMAT', 'read']);
}, 120_000);
