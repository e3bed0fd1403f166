import { expect, it, vi } from 'vitest';
import { hdf5 } from '../../src/index.js';

vi.mock('h5wasm', () => {
  throw new Error("Cannot find package 'h5wasm'");
});

it('a composite without h5wasm gets ERR_IO that names the package to install', async () => {
  const bytes = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
  await expect(hdf5.load(bytes)).rejects.toMatchObject({
    code: 'ERR_IO',
    message: 'reading HDF5 needs the optional dependency h5wasm: npm install h5wasm',
  });
  await expect(hdf5.load(Buffer.from('text'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
});
