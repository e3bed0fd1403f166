import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  Conv2d,
  ConvLSTM,
  getFloat32Precision,
  LeakyReLU,
  Module,
  manualSeed,
  Parameter,
  PixelShuffle,
  PixelUnshuffle,
  ReLU,
  Sequential,
  Sigmoid,
  setFloat32Precision,
  Tanh,
  Tensor,
} from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

class Net extends Module {
  cells = new ConvLSTM({ inputDim: 4, hiddenDim: [3, 2], kernelSize: 3 });
  head = new Sequential(
    new Conv2d({ inChannels: 2, outChannels: 4, kernelSize: 1 }),
    new Sigmoid(),
    new PixelShuffle(2),
  );
  extra = [new Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1, bias: false })];
  scale = new Parameter(Tensor.ones([1]));
  mean = Tensor.zeros([1]);
  frames = 10;
}

describe('Module', () => {
  it('derives keys from the names of properties', () => {
    const net = new Net();
    const names = [
      'cells.cell_list.0.conv.weight',
      'cells.cell_list.0.conv.bias',
      'cells.cell_list.1.conv.weight',
      'cells.cell_list.1.conv.bias',
      'head.0.weight',
      'head.0.bias',
      'extra.0.weight',
      'scale',
    ];
    expect(Object.keys(net.stateDict())).toEqual(names);
    expect([...net.namedParameters()].map(([name]) => name)).toEqual(names);
    expect(net.parameters()).toContain(net.scale);
    expect([...net.namedChildren()].map(([name]) => name)).toEqual(['cells', 'head', 'extra.0']);
    expectTypeOf(net.namedParameters()).toExtend<Iterable<[string, Tensor]>>();
  });

  it('counts a shared parameter once and allows references to parents', () => {
    class Tied extends Module {
      a = new Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1 });
      b = this.a;
      parent: Module | null = null;
    }
    const root = new Tied();
    const child = Object.assign(new Tied(), { parent: root });
    Object.assign(root, { child });
    expect(root.parameters()).toHaveLength(4);
    expect(Object.keys(root.stateDict())).toEqual([
      'a.weight',
      'a.bias',
      'b.weight',
      'b.bias',
      'child.a.weight',
      'child.a.bias',
      'child.b.weight',
      'child.b.bias',
    ]);
    root.eval().to({ precision: 'high' });
    expect(child.b.training).toBe(false);
    expect(child.b.precision).toBe('high');
  });

  it('train and eval reach every module', () => {
    const net = new Net();
    expect(net.training).toBe(true);
    net.eval();
    expect(net.cells.cells[1]!.conv.training).toBe(false);
    net.train();
    expect(net.head[1]!.training).toBe(true);
  });

  it('a module keeps its own precision', () => {
    const net = new Net();
    expect(net.precision).toBe('highest');
    net.head.to({ precision: 'high' });
    setFloat32Precision('medium');
    try {
      expect(getFloat32Precision()).toBe('medium');
      expect(net.cells.precision).toBe('medium');
      expect(net.head[0]!.precision).toBe('high');
    } finally {
      setFloat32Precision('highest');
    }
    expectError(() => net.to({ precision: 'low' as 'high' }), 'ERR_OPTION', "'low'");
    expectError(() => setFloat32Precision('x' as 'high'), 'ERR_OPTION', "'x'");
  });

  it('moves, and refuses absent devices without moving anything', () => {
    const net = new Net().to('javascript');
    const weight = net.head.stateDict()['0.weight']!;
    expect(weight.device).toBe('javascript');
    expect(net.parameters().every((parameter) => parameter.device === 'javascript')).toBe(true);
    expectError(() => net.to('cuda:99'), 'ERR_DEVICE', `'cuda:99'`);
    expect(net.scale.device).toBe('javascript');
    for (const device of devices) {
      net.to({ device });
      expect(net.scale.device).toBe(device);
      expect(net.head.stateDict()['0.weight']!.toArraySync()).toEqual(weight.toArraySync());
    }
  });

  it('dispose frees the parameters', () => {
    const net = new Net();
    const snapshot = net.stateDict();
    net.dispose();
    net.dispose();
    expect(net.parameters().every((parameter) => parameter.disposed)).toBe(true);
    expect(snapshot['scale']!.itemSync()).toBe(1);
  });

  it('initial weights depend on the seed and lie within 1 / sqrt(fan-in)', () => {
    const make = () => new Conv2d({ inChannels: 4, outChannels: 8, kernelSize: [3, 5] });
    manualSeed(3);
    const first = make();
    manualSeed(3);
    const second = make();
    expect(second.weight.toArraySync()).toEqual(first.weight.toArraySync());
    const largest = first.weight.abs().max().itemSync();
    expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(60));
    expect(largest).toBeGreaterThan(0.9 / Math.sqrt(60));
  });
});

describe.each(devices)('layers on %s', (device) => {
  it('Sequential applies its layers and disposes intermediate results', () => {
    const seen: Tensor[] = [];
    class Spy extends Module {
      forward(x: Tensor): Tensor {
        seen.push(x);
        return x.add(1);
      }
    }
    const x = Tensor.zeros([2], { device });
    const y = new Sequential(new Spy(), new Spy(), new Spy()).forward(x);
    expect(y.toArraySync()).toEqual([3, 3]);
    expect(seen.map((tensor) => tensor.disposed)).toEqual([false, true, true]);
    expect(new Sequential().forward(x)).toBe(x);
  });

  it('activations and patches', () => {
    const x = Tensor.from([-1, 2], undefined, { device });
    const layers = [new ReLU(), new LeakyReLU({ negativeSlope: 0.5 }), new LeakyReLU()];
    expect(layers.map((layer) => layer.forward(x).toArraySync())).toEqual([
      [0, 2],
      [-0.5, 2],
      [Math.fround(-0.01), 2],
    ]);
    expect(new Tanh().forward(x).toArraySync()).toEqual(x.tanh().toArraySync());
    expect(new Sigmoid().forward(x).toArraySync()).toEqual(x.sigmoid().toArraySync());
    const frame = Tensor.rand([2, 1, 8, 4], { device });
    const patches = new PixelUnshuffle(4).forward(frame);
    expect(patches.shape).toEqual([2, 16, 2, 1]);
    expect(new PixelShuffle(4).forward(patches).toArraySync()).toEqual(frame.toArraySync());
  });
});

it('Conv2d names the invalid option', () => {
  const good = { inChannels: 1, outChannels: 2, kernelSize: 3 };
  const bad: [object, string][] = [
    [{ ...good, inChannels: 0 }, 'inChannels'],
    [{ ...good, outChannels: 1.5 }, 'outChannels'],
    [{ ...good, kernelSize: [3] }, 'kernelSize'],
    [{ ...good, stride: 0 }, 'stride'],
    [{ ...good, padding: -1 }, 'padding'],
    [{ ...good, dilation: [1, 0] }, 'dilation'],
    [{ ...good, bias: 1 }, 'bias'],
    [{ ...good, groups: 2 }, `no option 'groups'`],
    [{}, 'inChannels: expected a positive integer, got undefined'],
  ];
  for (const [options, part] of bad) {
    expectError(() => new Conv2d(options as typeof good), 'ERR_OPTION', part);
  }
});
