import { expect, it } from 'vitest';
import { ssim } from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';

it.each(loadFixture<object>('metrics'))('ssim of $options.name', ({ tensors }) => {
  const [a, b] = [tensors.get('a')!, tensors.get('b')!];
  const [height, width] = a.shape as [number, number];
  const value = ssim(Float32Array.from(a.values), Float32Array.from(b.values), [height, width]);
  expect(value).toBeCloseTo(tensors.get('ssim')!.values[0]!, 6);
});
