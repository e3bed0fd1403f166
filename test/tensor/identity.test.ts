// Tensors among other objects: deep equality, copies between threads, JSON, console.log.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Conv2d, Module, Parameter, Tensor } from '../../src/index.js';

const a = Tensor.from([1, 2, 3]);

describe('deep equality', () => {
  const others = [
    Tensor.from([1, 2, 3]),
    Tensor.from([9, 9, 9]),
    Tensor.from([[1, 2, 3]]),
    Tensor.from([]),
    a.detach(),
    new Parameter(a),
  ];

  it.each(others)('tells tensors apart: %#', (b) => {
    expect(() => assert.deepEqual(a, b)).toThrow(assert.AssertionError);
    expect(() => assert.deepEqual({ x: [a] }, { x: [b] })).toThrow(assert.AssertionError);
    expect(a).not.toEqual(b);
    expect(a).not.toStrictEqual(b);
    expect({ x: [a] }).not.toMatchObject({ x: [b] });
    expect(new Set([a])).not.toEqual(new Set([b]));
  });

  it('holds for one object', () => {
    assert.deepEqual({ x: a }, { x: a });
    expect({ x: a }).toStrictEqual({ x: a });
  });

  it('tells modules apart', () => {
    const head = () => new Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1 });
    expect(head()).not.toEqual(head());
  });
});

describe('copies are refused, with what to send', () => {
  const said = /send `await tensor\.data\(\)` and `tensor\.shape`/;
  const { port1 } = new MessageChannel();

  it.each([
    ['structuredClone', () => structuredClone(a)],
    ['structuredClone, nested', () => structuredClone({ x: [a] })],
    ['postMessage', () => port1.postMessage({ a })],
  ])('%s', (_, action) => {
    expect(action).toThrow(said);
    expect(action).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
    port1.close();
  });
});

describe('JSON', () => {
  it('has shape and elements, which Tensor.from takes', async () => {
    const text = JSON.stringify({ x: Tensor.from([[1, 2.5]]) });
    expect(text).toBe('{"x":{"dtype":"float32","shape":[1,2],"data":[1,2.5]}}');
    expect(await Tensor.from(JSON.parse(text).x).toArray()).toEqual([[1, 2.5]]);
  });

  it('says what it leaves out', () => {
    expect(Tensor.zeros([1001]).toJSON()).toEqual({
      dtype: 'float32',
      shape: [1001],
      note: '1001 elements are not shown: await tensor.data()',
    });
    const x = Tensor.zeros([1]);
    x.dispose();
    expect(x.toJSON()).toEqual({ dtype: 'float32', shape: [1], note: 'disposed' });
  });
});

describe('console.log', () => {
  it('is short for big tensors', () => {
    const text = inspect(Tensor.zeros([8, 10, 64, 64, 64]));
    expect(text.split('\n').length).toBeLessThan(12);
    expect(text).toContain('Tensor([8, 10, 64, 64, 64], float32');
  });

  it('shows the shape alone within another object, values if they are few', () => {
    expect(inspect({ h: Tensor.zeros([1, 8, 16, 16], { device: 'javascript' }) })).toBe(
      '{ h: Tensor([1, 8, 16, 16], float32, javascript) }',
    );
    expect(inspect({ a })).toContain('[1, 2, 3]');
  });

  it('names the parameters of a module', () => {
    class Net extends Module {
      head = new Conv2d({ inChannels: 16, outChannels: 100, kernelSize: 1 });
    }
    expect(inspect(new Net())).toBe(
      'Net(1,700 parameters)\n  head.weight [100, 16, 1, 1]\n  head.bias [100]',
    );
  });
});
