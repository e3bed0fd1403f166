import { describe, expect, it } from 'vitest';
import {
  Adam,
  AdamW,
  mseLoss,
  Parameter,
  RMSprop,
  SGD,
  safetensors,
  Tensor,
} from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';
import { expectSameBits, randomValues } from '../support/numbers.js';

describe.each(devices)('optimizers on %s', (device) => {
  const tensor = (seed: number, shape = [3, 5]) =>
    Tensor.from(
      randomValues(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
      shape,
      { device },
    );
  const parameter = (seed: number, shape?: number[]) => new Parameter(tensor(seed, shape));
  const kinds = [
    (list: Parameter[]) => new SGD(list, { lr: 0.1, momentum: 0.9 }),
    (list: Parameter[]) => new RMSprop(list, { momentum: 0.5 }),
    (list: Parameter[]) => new Adam(list, { lr: 0.1 }),
    (list: Parameter[]) => new AdamW(list),
  ];

  it('reduce a loss', async () => {
    const target = tensor(1);
    for (const build of kinds) {
      const x = parameter(2);
      const optimizer = build([x]);
      for (const group of optimizer.groups) group.lr = 0.02;
      const losses: number[] = [];
      for (let step = 0; step < 30; step++) {
        const loss = mseLoss(x, target);
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        losses.push(await loss.item());
      }
      expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    }
  });

  it('skip parameters without a gradient; zeroGrad removes all gradients', async () => {
    for (const build of kinds) {
      const [x, y] = [parameter(3), parameter(4)];
      const before = await x.data();
      const optimizer = build([x, y]);
      y.grad = tensor(5);
      optimizer.step();
      expectSameBits(await x.data(), before);
      const grad = y.grad;
      optimizer.zeroGrad();
      expect(y.grad).toBeNull();
      expect(grad.disposed).toBe(true);
      expect(x.shape).toEqual([3, 5]);
    }
  });

  it('continue from a state dict with the same bits', async () => {
    for (const build of kinds) {
      const [x, y] = [parameter(6), parameter(7, [2])];
      const optimizer = build([x, y]);
      const steps = (list: Parameter[], using: typeof optimizer, from: number, to: number) => {
        for (let step = from; step < to; step++) {
          list[0]!.grad = tensor(10 + step);
          if (step > 2) list[1]!.grad = tensor(20 + step, [2]);
          using.step();
        }
      };
      steps([x, y], optimizer, 0, 4);
      const { tensors, settings } = optimizer.stateDict();
      const metadata = { optimizer: JSON.stringify(settings) };
      const file = await safetensors.save(null, tensors, { metadata });
      const copies = [new Parameter(x.clone()), new Parameter(y.clone())];
      steps([x, y], optimizer, 4, 6);

      const other = build(copies);
      other.groups[0]!.lr = 7; // overwritten
      const read = await safetensors.read(file);
      const saved = JSON.parse(read.metadata['optimizer']!);
      other.loadStateDict({ tensors: read.tensors, settings: saved });
      expect(other.groups[0]!.lr).toBe(optimizer.groups[0]!.lr);
      steps(copies, other, 4, 6);
      expectSameBits(await copies[0]!.data(), await x.data());
      expectSameBits(await copies[1]!.data(), await y.data());
    }
  });

  it('do not change a state dict by later steps', async () => {
    const x = parameter(8);
    const adam = new Adam([x]);
    x.grad = tensor(9);
    adam.step();
    const { tensors, settings } = adam.stateDict();
    expect(Object.keys(tensors)).toEqual(['0.average', '0.squareAverage']);
    const before = await tensors['0.average']!.data();
    adam.step();
    adam.groups[0]!.lr = 5;
    adam.dispose();
    expect(await tensors['0.average']!.data()).toEqual(before);
    expect(settings).toEqual({
      optimizer: 'Adam',
      groups: [
        { parameters: 1, options: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 } },
      ],
      steps: [1],
    });
  });

  it('load a whole state dict or nothing', async () => {
    const [x, y] = [parameter(8), parameter(9)];
    const adam = new Adam([x, { parameters: [y], lr: 0.5 }]);
    x.grad = tensor(9);
    adam.step();
    const { tensors, settings } = adam.stateDict();
    const load =
      (change: object, states: Record<string, Tensor> = tensors) =>
      () =>
        adam.loadStateDict({ tensors: states, settings: { ...settings, ...change } });
    const dict = 'ERR_STATE_DICT';
    expectError(load({ optimizer: 'AdamW' }), dict, 'Adam', 'AdamW');
    expectError(load({ groups: settings.groups.slice(1) }), dict, '[1, 1]', '[1]');
    expectError(load({ steps: [1] }), dict);
    expectError(load({ steps: [1, -1] }), dict, 'not those of an optimizer');
    expectError(() => adam.loadStateDict({ tensors, settings: null }), dict);
    const groups = structuredClone(settings.groups);
    groups[1]!.options['betas'] = [0.9];
    expectError(load({ groups }), dict, 'groups[1]', 'betas');
    groups[1]!.options['betas'] = [0.9, 1];
    expectError(load({ groups }), dict, 'groups[1]', 'betas', '[0.9, 1]');
    expectError(load({}, { '2.average': x }), dict, '2.average');
    expectError(load({}, { '1.average': x }), dict, '1.average', 'no step');
    expectError(load({}, { average: x }), dict, 'average');
    expectError(load({}, { '0.average': tensor(1, [4]) }), dict, '[3, 5]', '[4]');
    expect(adam.stateDict().settings).toEqual(settings);
    expect(await adam.stateDict().tensors['0.average']!.data()).toEqual(
      await tensors['0.average']!.data(),
    );
  });

  it('take groups with their own options', () => {
    const [x, y, z] = [parameter(1), parameter(2), parameter(3)];
    const adam = new AdamW([x, { parameters: [y], lr: 1 }, { parameters: [z], weightDecay: 0 }], {
      eps: 1e-6,
    });
    expect(adam.groups.map(({ lr, eps, weightDecay }) => [lr, eps, weightDecay])).toEqual([
      [1e-3, 1e-6, 1e-2],
      [1, 1e-6, 1e-2],
      [1e-3, 1e-6, 0],
    ]);
    expect(adam.groups.map(({ parameters }) => parameters)).toEqual([[x], [y], [z]]);
  });

  it('refuse arguments that are no parameters', () => {
    const x = parameter(1);
    expectError(() => new Adam([]), 'ERR_OPTION', 'Adam: expected at least one parameter');
    expectError(() => new Adam([x, x]), 'ERR_OPTION', 'twice');
    expectError(() => new Adam([x, { parameters: [x] }]), 'ERR_OPTION', 'twice');
    expectError(() => new Adam([x.mul(2)]), 'ERR_OPTION', 'result of an operation');
    expectError(() => new SGD([3 as unknown as Parameter]), 'ERR_OPTION');
    expectError(() => new SGD([x], { learningRate: 1 } as object), 'ERR_OPTION', 'learningRate');
    expectError(() => new SGD([x], { lr: -1 }), 'ERR_OPTION', 'lr', '-1');
    const text = { lr: '0.1' } as object;
    expectError(() => new SGD([x], text), 'ERR_OPTION', "lr: expected a number, got '0.1'");
    const flag = { momentum: 0.9, nesterov: 1 } as object;
    expectError(() => new SGD([x], flag), 'ERR_OPTION', 'nesterov: expected a boolean, got 1');
    expectError(() => new Adam([x]).loadStateDict(undefined as never), 'ERR_STATE_DICT', 'Adam');
    expectError(() => new SGD([x], { nesterov: true }), 'ERR_OPTION', 'nesterov');
    expectError(() => new SGD([x], { momentum: Number.NaN }), 'ERR_OPTION', 'momentum');
    expectError(() => new RMSprop([x], { alpha: -0.1 }), 'ERR_OPTION', 'alpha', '-0.1');
    expectError(() => new Adam([x], { betas: [0.9, 1] }), 'ERR_OPTION', 'betas', '[0.9, 1]');
    expectError(() => new Adam([{ parameters: [x], decay: 1 } as never]), 'ERR_OPTION', 'decay');
  });

  it('refuse a parameter on another device than its gradient or state', () => {
    if (device === 'javascript') return;
    const x = parameter(1);
    const adam = new Adam([x]);
    x.grad = tensor(2);
    adam.step();
    x.assign(x.to('javascript'));
    expectError(() => adam.step(), 'ERR_DEVICE', 'Adam.step', 'gradient');
    x.grad = tensor(2).to('javascript');
    expectError(() => adam.step(), 'ERR_DEVICE', 'Adam.step', 'average');
  });
});
