// Backend operations of the tape and the optimizers: the target agrees with the TypeScript fallback.
import { expect, it } from 'vitest';
import type {
  AdamArguments,
  Backend,
  BinaryOp,
  RmspropArguments,
  SgdArguments,
  Storage,
  UnaryOp,
} from '../../binding.js';
import { backendOf, type Device } from '../../src/backend.js';
import { fallback } from '../../src/fallback/index.js';
import { expectClose, expectSameBits, randomValues } from '../support/numbers.js';
import { describeOnTarget } from '../support/target.js';

/** Enough for every thread and a tail. */
const kLength = 70_001;

function withSpecials(seed: number): Float32Array {
  const values = randomValues(kLength, seed, 4);
  values.set([0, -0, 1, -1, 1e-20, -1e-20, 1e20, -1e20], 40);
  return values;
}

const backends = (): Backend[] => [
  fallback,
  backendOf((process.env['CONVLSTM_DEVICE'] ?? 'cpu') as Device),
];

/** What `compute` gives on the fallback, then on the target. */
function onBoth<T>(compute: (backend: Backend) => T): [T, T] {
  const [expected, actual] = backends().map(compute);
  return [expected!, actual!];
}

function expectRelative(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  const scaled = actual.map((value, index) => value / Math.max(1e-20, Math.abs(expected[index]!)));
  const ones = expected.map((value) => value / Math.max(1e-20, Math.abs(value)));
  expectClose(scaled, ones, tolerance);
}

describeOnTarget('operations of training', () => {
  const unaries: UnaryOp[] = [
    'neg',
    'abs',
    'exp',
    'log',
    'sqrt',
    'sigmoid',
    'tanh',
    'relu',
    'leakyRelu',
    'square',
    'softplus',
  ];

  it.each(unaries)('unaryBackward %s', (op) => {
    const positive = op === 'sqrt' || op === 'log';
    const saved = positive ? withSpecials(1).map(Math.abs) : withSpecials(1);
    const [expected, actual] = onBoth((backend) =>
      backend
        .unaryBackward(op, backend.upload(saved), backend.upload(randomValues(kLength, 2)), 0.3)
        .dataSync(),
    );
    expectRelative(actual, expected, 6e-7);
  });

  it.each(['square', 'softplus'] as UnaryOp[])('%s', (op) => {
    const [expected, actual] = onBoth((backend) =>
      backend.unary(op, backend.upload(withSpecials(3)), 0).dataSync(),
    );
    expectRelative(actual, expected, 3e-7);
  });

  it.each(['greater', 'equal'] as BinaryOp[])('%s', (op) => {
    const a = withSpecials(4).map(Math.round);
    const b = withSpecials(5).map(Math.round);
    a[7] = b[8] = a[9] = b[9] = Number.NaN;
    const shape = [kLength];
    const [expected, actual] = onBoth((backend) =>
      backend.binary(op, backend.upload(a), shape, backend.upload(b), shape, shape).dataSync(),
    );
    expectSameBits(actual, expected);
    expect([...actual.subarray(7, 10)]).toEqual([0, 0, 0]);
    expect(new Set(actual)).toEqual(new Set([0, 1]));
  });

  it.each([
    [
      [4, 5, 6],
      [1, 0, 2],
      [2, 5, 3],
      [2, 1, 1],
    ],
    [
      [50, 30, 60],
      [1, 2, 3],
      [40, 20, 50],
      [1, 1, 1],
    ],
    [[7], [2], [0], [1]],
    [[], [], [], []],
  ])('sliceBackward of %j from %j', (shape, starts, sizes, steps) => {
    const count = sizes.reduce((product, size) => product * size, 1);
    const [expected, actual] = onBoth((backend) =>
      backend
        .sliceBackward(backend.upload(randomValues(count, 6)), shape, starts, sizes, steps)
        .dataSync(),
    );
    expectSameBits(actual, expected);
    expect(actual.filter((value) => value !== 0)).toHaveLength(count);
  });

  it.each([
    [kLength, 0.5, 2, 1, 2, 0],
    [kLength, 0.9, 1 / 0.9, 0xffffffff, 0x80000000, 2 ** 32 - 6],
    [5, 1, -1, 3, 4, 2 ** 52],
    [0, 0.5, 1, 0, 0, 0],
  ])('bernoulli of %d with %d', (length, probability, value, key0, key1, counter) => {
    const [expected, actual] = onBoth((backend) =>
      backend.bernoulli(length, probability, value, key0, key1, counter).dataSync(),
    );
    expectSameBits(actual, expected);
    const share = actual.filter((each) => each !== 0).length / Math.max(1, length);
    if (length > 0) expect(Math.abs(share - probability)).toBeLessThan(0.01);
  });

  /** Three steps from the same start: every state after the last agrees. */
  function steps<State extends Record<string, Storage | null>>(
    step: (backend: Backend, state: State, grad: Storage, number: number) => State,
    start: (parameter: Storage) => State,
  ): void {
    const [expected, actual] = onBoth((backend) => {
      let state = start(backend.upload(randomValues(kLength, 7)));
      for (let number = 1; number <= 3; number++) {
        state = step(backend, state, backend.upload(randomValues(kLength, 7 + number)), number);
      }
      return Object.entries(state).map(([name, storage]) => [name, storage?.dataSync()] as const);
    });
    for (const [index, [name, values]] of expected.entries()) {
      expect(actual[index]![0]).toBe(name);
      expect(actual[index]![1] === undefined).toBe(values === undefined);
      if (values) expectClose(actual[index]![1]!, values, 5e-6);
    }
  }

  it.each([
    { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0.1 },
    { momentum: 0.9, dampening: 0.2, nesterov: false, weightDecay: 0 },
    { momentum: 0.9, dampening: 0, nesterov: true, weightDecay: 0.1 },
  ])('sgdStep %j', (options) => {
    steps<Pick<SgdArguments, 'parameter' | 'buffer'>>(
      (backend, state, grad) => backend.sgdStep({ ...state, grad, lr: 0.1, ...options }),
      (parameter) => ({ parameter, buffer: null }),
    );
  });

  it.each([0, 0.9])('rmspropStep with momentum %d', (momentum) => {
    const options = { lr: 0.01, alpha: 0.9, eps: 1e-3, weightDecay: 0.1, momentum };
    steps<Pick<RmspropArguments, 'parameter' | 'squareAverage' | 'buffer'>>(
      (backend, state, grad) => backend.rmspropStep({ ...state, grad, ...options }),
      (parameter) => ({ parameter, squareAverage: null, buffer: null }),
    );
  });

  it.each([false, true])('adamStep, decoupled: %s', (decoupled) => {
    const options = { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-6, weightDecay: 0.1, decoupled };
    steps<Pick<AdamArguments, 'parameter' | 'average' | 'squareAverage'>>(
      (backend, state, grad, step) => backend.adamStep({ ...state, grad, step, ...options }),
      (parameter) => ({ parameter, average: null, squareAverage: null }),
    );
  });

  it('refuses arguments that do not fit, before it runs', () => {
    const [, backend] = backends();
    if (backend === fallback) return; // trusts its callers
    const [three, four] = [backend!.upload(new Float32Array(3)), backend!.fill(4, 1)];
    const sgd = { lr: 1, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 };
    const rmsprop = { lr: 1, alpha: 0.9, eps: 0, momentum: 0, weightDecay: 0 };
    const adam = {
      step: 1,
      lr: 1,
      beta1: 0.9,
      beta2: 0.9,
      eps: 0,
      weightDecay: 0,
      decoupled: true,
    };
    const refused = (code: string, action: () => unknown) =>
      expect(action).toThrow(expect.objectContaining({ code }));
    const wrong = { parameter: three, grad: three, buffer: four };
    refused('ERR_SHAPE', () => backend!.unaryBackward('exp', three, four, 0));
    refused('ERR_SHAPE', () => backend!.sliceBackward(four, [6], [0], [3], [2]));
    refused('ERR_SHAPE', () => backend!.sliceBackward(three, [5], [0], [3], [3]));
    refused('ERR_OPTION', () => backend!.bernoulli(4, 1.5, 1, 0, 0, 0));
    refused('ERR_OPTION', () => backend!.bernoulli(4, Number.NaN, 1, 0, 0, 0));
    refused('ERR_SHAPE', () => backend!.sgdStep({ ...sgd, ...wrong }));
    refused('ERR_SHAPE', () => backend!.sgdStep({ ...sgd, ...wrong, grad: four }));
    refused('ERR_SHAPE', () => backend!.rmspropStep({ ...rmsprop, ...wrong, squareAverage: null }));
    refused('ERR_SHAPE', () =>
      backend!.adamStep({ ...adam, ...wrong, average: null, squareAverage: four }),
    );
    refused('ERR_OPTION', () => backend!.adamStep({ ...adam, parameter: three } as never));
    refused('ERR_OPTION', () => backend!.sgdStep(null as never));
    four.dispose();
    refused('ERR_DISPOSED', () => backend!.unaryBackward('exp', four, three, 0));
  });
});
