// Copies between the devices of the addon. One device may be both ends, so that the way by the host
// is tested where there is no GPU; test/cuda has the way between two.
import { expect, it } from 'vitest';
import { Tensor } from '../src/index.js';
import { nativeBinary } from '../src/native.js';
import { devices } from './support/devices.js';

const { addon } = nativeBinary();
const gpu = devices.find((device) => device.startsWith('cuda'));

it.skipIf(!addon)('the elements are the same, whatever becomes of the source', async () => {
  const { cpu } = addon!;
  for (const length of [0, 1, 7, 100_003, 5_000_001]) {
    const values = Float32Array.from({ length }, (_, k) => Math.fround(k * 0.37));
    const x = cpu.upload(values);
    const y = cpu.copy!(x);
    x.dispose();
    expect(y.length).toBe(length);
    expect(Buffer.compare(Buffer.from((await y.data()).buffer), Buffer.from(values.buffer))).toBe(
      0,
    );
  }
});

it.skipIf(!addon)('what failed stays failed, what was disposed is refused', async () => {
  const { cpu } = addon!;
  const failed = cpu.fill(2 ** 39, 0);
  await expect(cpu.copy!(failed).data()).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
  const x = cpu.fill(3, 1);
  x.dispose();
  expect(() => cpu.copy!(x)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  expect([...cpu.copy!(cpu.fill(3, 2)).dataSync()]).toEqual([2, 2, 2]);
});

it.skipIf(!gpu)('there and back between the processor and a GPU', async () => {
  for (const length of [0, 3, 100_003, 5_000_001]) {
    const values = Float32Array.from({ length }, (_, k) => Math.fround(k * 0.37));
    const there = Tensor.from(values).to(gpu!).mul(2);
    const back = there.to('cpu').mul(0.5);
    expect(
      Buffer.compare(Buffer.from((await back.data()).buffer), Buffer.from(values.buffer)),
    ).toBe(0);
  }
});
