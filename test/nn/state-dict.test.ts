import { expect, it } from 'vitest';
import { Conv2d, ConvLSTM, ConvLSTMError, Module, Tensor } from '../../src/index.js';
import { expectError } from '../support/errors.js';

class Net extends Module {
  cells = new ConvLSTM({ inputDim: 1, hiddenDim: 2, kernelSize: 1, peephole: 'channel' });
  head = new Conv2d({ inChannels: 2, outChannels: 4, kernelSize: 1 });
}

const values = (module: Module) =>
  Object.fromEntries(
    Object.entries(module.stateDict()).map(([name, tensor]) => [name, tensor.toArraySync()]),
  );

it('loads into another module', () => {
  const [from, to] = [new Net(), new Net()];
  const before = to.parameters();
  expect(values(to)).not.toEqual(values(from));
  expect(to.loadStateDict(from.stateDict())).toBe(to);
  expect(values(to)).toEqual(values(from));
  expect(to.parameters()).toEqual(before); // the same objects: an optimiser may hold them
  from.dispose();
  expect(to.head.bias!.disposed).toBe(false);
});

it('is a snapshot', () => {
  const net = new Net();
  const snapshot = net.stateDict();
  const kept = snapshot['head.bias']!.toArraySync();
  net.loadStateDict(new Net().stateDict());
  expect(snapshot['head.bias']!.toArraySync()).toEqual(kept);
});

it('lists everything that does not fit, and changes nothing', () => {
  const net = new Net();
  const before = values(net);
  const dict = new Net().stateDict();
  delete dict['cells.cell_list.0.Wcf'];
  dict['head.weight'] = Tensor.zeros([4, 2]);
  dict['optimizer.step'] = Tensor.zeros([1]);
  let caught: unknown;
  try {
    net.loadStateDict(dict);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(ConvLSTMError);
  expect(caught).toMatchObject({ code: 'ERR_STATE_DICT' });
  expect((caught as Error).message.split('\n').slice(1)).toEqual([
    '  unexpected key optimizer.step',
    '  missing key cells.cell_list.0.Wcf',
    '  head.weight: expected [4, 2, 1, 1], got [4, 2]',
  ]);
  expect(values(net)).toEqual(before);
});

it('without strict loads the keys present, but no wrong shape', () => {
  const net = new Net();
  const before = values(net);
  const bias = Tensor.from([1, 2, 3, 4]);
  net.loadStateDict({ 'head.bias': bias, other: bias }, { strict: false });
  expect(values(net)).toEqual({ ...before, 'head.bias': [1, 2, 3, 4] });
  expectError(
    () => net.loadStateDict({ 'head.bias': Tensor.zeros([3]) }, { strict: false }),
    'ERR_STATE_DICT',
    'head.bias: expected [4], got [3]',
  );
});

it('ignores keys without the prefix', () => {
  const net = new Net();
  const other = new Net();
  const dict = Object.fromEntries(
    Object.entries(other.stateDict()).map(([name, tensor]) => [`module.${name}`, tensor]),
  );
  net.loadStateDict({ ...dict, 'decoder.weight': Tensor.zeros([1]) }, { prefix: 'module.' });
  expect(values(net)).toEqual(values(other));
  expectError(
    () => net.loadStateDict(dict, { prefix: 'net.' }),
    'ERR_STATE_DICT',
    'missing key net.head.bias',
  );
});

it('accepts { data, shape }', () => {
  const net = new Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 1, bias: false });
  net.loadStateDict({ weight: { data: new Float64Array([1, 2]), shape: [2, 1, 1, 1] } });
  expect([...net.weight.dataSync()]).toEqual([1, 2]);
});

it.each(['ifog', 'fiog', 'ifgo', 'igfo', 'gofi'] as const)(
  'reorders gates packed as %s',
  (gateOrder) => {
    const net = new Net();
    const before = values(net);
    const code = { i: 1, f: 2, o: 3, g: 4 };
    const blocks = [...gateOrder].flatMap((gate) => {
      const value = code[gate as 'i'];
      return [value, value + 0.5];
    });
    const dict = net.stateDict();
    const name = 'cells.cell_list.0.conv';
    const weight = blocks.flatMap((value) => [value, value, value]);
    dict[`${name}.bias`] = Tensor.from(blocks);
    dict[`${name}.weight`] = Tensor.from(weight, [8, 3, 1, 1]);
    net.loadStateDict(dict, { gateOrder });
    const { bias, weight: loaded } = net.cells.cells[0]!.conv;
    expect(bias!.toArraySync()).toEqual([1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]);
    expect(loaded.select(1, 2).flatten().toArraySync()).toEqual(bias!.toArraySync());
    // Only gates are reordered, although head.weight has four rows too.
    expect(values(net)['head.weight']).toEqual(before['head.weight']);
    expect(values(net)['head.bias']).toEqual(before['head.bias']);
  },
);

it('refuses invalid gate orders', () => {
  const net = new Net();
  for (const gateOrder of ['ifo', 'ifogg', 'ifcc', 'ifoc', '']) {
    const load = () => net.loadStateDict(net.stateDict(), { gateOrder: gateOrder as 'ifog' });
    expectError(load, 'ERR_OPTION', gateOrder);
  }
});
