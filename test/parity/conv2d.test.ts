// Every case of test/fixtures/conv2d.py.
import { expect, it } from 'vitest';
import { conv2d } from '../../src/functional/index.js';
import { Tensor } from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { expectClose } from '../support/numbers.js';
import { describeOnTarget } from '../support/target.js';

interface Options {
  stride: [number, number];
  padding: [number, number];
  dilation: [number, number];
}

describeOnTarget('conv2d', () => {
  it.each(loadFixture<Options>('conv2d'))('$options.name', async ({ options, tensors }) => {
    const tensor = (name: string) => {
      const entry = tensors.get(name);
      return entry ? Tensor.from(Float32Array.from(entry.values), entry.shape) : null;
    };
    const { name: _name, ...geometry } = options;
    const y = conv2d(tensor('x')!, tensor('weight')!, tensor('bias'), geometry);
    const expected = tensors.get('y')!;
    expect(y.shape).toEqual(expected.shape);
    expectClose(await y.data(), expected.values, 2e-5);
  });
});
