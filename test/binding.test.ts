// The addon without the checks of src/functional before it: whatever a caller hands to a function of
// binding.d.ts, it computes or refuses with a code, and the process lives on.
import { expect, it } from 'vitest';
import type { Backend, Storage } from '../binding.js';
import { nativeBinary } from '../src/native.js';

const { addon } = nativeBinary();
const codes = [
  'ERR_SHAPE',
  'ERR_DTYPE',
  'ERR_OPTION',
  'ERR_DEVICE',
  'ERR_DISPOSED',
  'ERR_OUT_OF_MEMORY',
];

type Name = keyof Backend;
type Call = [name: Name, ...args: unknown[]];

const upload = (length: number) => addon!.cpu.upload(new Float32Array(length).fill(0.5));

const layer = () => ({
  batch: 2,
  time: 3,
  timeMajor: false,
  inputDim: 2,
  hiddenDim: 1,
  height: 2,
  width: 3,
  kernelHeight: 3,
  kernelWidth: 3,
  x: upload(72),
  weight: upload(108),
  bias: upload(4),
  peephole: 'channel',
  wci: upload(1),
  wcf: upload(1),
  wco: upload(1),
  h0: upload(12),
  c0: upload(12),
  recurrentMask: upload(12),
  zoneoutH: upload(36),
  zoneoutC: upload(1),
  precision: 'highest',
  saveEvery: 2,
});
const stackLayer = () => {
  const { x, saveEvery, ...rest } = layer();
  return rest;
};
const convolution = () => ({
  x: upload(48),
  xShape: [2, 1, 4, 6],
  weight: upload(12),
  weightShape: [2, 1, 2, 3],
  bias: upload(2),
  stride: [1, 2],
  padding: [1, 1],
  dilation: [1, 1],
  precision: 'high',
});
const optimizer = (slots: string[], numbers: string[], booleans: string[]) => ({
  ...Object.fromEntries(['parameter', 'grad', ...slots].map((name) => [name, upload(5)])),
  ...Object.fromEntries(numbers.map((name) => [name, 1])),
  ...Object.fromEntries(booleans.map((name) => [name, true])),
});

/** Calls that are in order, one of each function, on fresh storages. */
const calls = (): Call[] => [
  ['upload', new Float32Array(3)],
  ['copy', upload(3)],
  ['fill', 4, 1],
  ['unary', 'leakyRelu', upload(4), 0.1],
  ['unaryBackward', 'leakyRelu', upload(4), upload(4), 0.1],
  ['binary', 'add', upload(6), [2, 3], upload(3), [3], [2, 3]],
  ['reduce', 'max', upload(24), [2, 3, 4], [0, 2]],
  ['permute', upload(24), [2, 3, 4], [2, 0, 1]],
  ['slice', upload(24), [2, 3, 4], [0, 1, 0], [2, 2, 2], [1, 1, 3]],
  ['sliceBackward', upload(8), [2, 3, 4], [0, 1, 0], [2, 2, 2], [1, 1, 3]],
  [
    'concat',
    [upload(6), upload(2)],
    [
      [2, 3],
      [2, 1],
    ],
    1,
  ],
  ['conv2d', convolution()],
  [
    'conv2dBackward',
    { ...convolution(), grad: upload(60), wants: { x: true, weight: true, bias: true } },
  ],
  ['convLstm', layer()],
  [
    'convLstmStack',
    [stackLayer(), { ...stackLayer(), inputDim: 1, weight: upload(72) }],
    upload(72),
  ],
  [
    'convLstmBackward',
    {
      ...layer(),
      output: upload(36),
      saved: upload(12),
      outputGrad: upload(36),
      hGrad: upload(12),
      cGrad: upload(12),
      wants: { x: true, h0: true, c0: true, weight: true, bias: true, peephole: true },
    },
  ],
  ['bernoulli', 9, 0.5, 2, 1, 2, 3],
  ['sgdStep', optimizer(['buffer'], ['lr', 'momentum', 'dampening', 'weightDecay'], ['nesterov'])],
  [
    'rmspropStep',
    optimizer(['squareAverage', 'buffer'], ['lr', 'alpha', 'eps', 'momentum', 'weightDecay'], []),
  ],
  [
    'adamStep',
    optimizer(
      ['average', 'squareAverage'],
      ['step', 'lr', 'beta1', 'beta2', 'eps', 'weightDecay'],
      ['decoupled'],
    ),
  ],
];

const disposed = () => {
  const storage = upload(4);
  storage.dispose();
  return storage;
};
const failing = () => addon!.cpu.fill(2 ** 39, 0); // 2 TiB
const numbers = [-1, -0, 0, 0.5, 2, 7, 2 ** 39, 2 ** 53, -(2 ** 53), 2 ** 63, Number.NaN];
const hostile: (() => unknown)[] = [
  ...[...numbers, null, true, 'sum', 10n, Symbol('s')].map((value) => () => value),
  () => ({}),
  () => [],
  () => [2, 3, 4, 5],
  () => [2 ** 40, 2 ** 40],
  () => [0, 2 ** 40, 2 ** 40],
  () => Array.from({ length: 100 }, () => 1),
  () => new Array(2 ** 32 - 1),
  () => new Float32Array(4),
  () => new Float64Array(4),
  () => new Proxy([2, 3], {}),
  () => new Proxy(upload(4), {}),
  () => Object.create(upload(4)),
  () => addon,
  disposed,
  failing,
  () => upload(0),
  () => upload(4),
];

/** Every place in nested arrays and objects: what holds it, and under which key. */
function* places(value: unknown): Generator<[holder: Record<string, unknown>, key: string]> {
  if (typeof value !== 'object' || value === null || isStorage(value)) return;
  if (ArrayBuffer.isView(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    yield [value as Record<string, unknown>, key];
    yield* places(inner);
  }
}

function isStorage(value: unknown): value is Storage {
  return typeof value === 'object' && value !== null && 'dataSync' in value;
}

function* storagesIn(value: unknown): Generator<Storage> {
  if (isStorage(value)) yield value;
  else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) yield* storagesIn(inner);
  }
}

const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error ? error.code : String(error);

/** The codes with which the call was refused or its results failed; none where it went well. */
async function outcome([name, ...args]: Call): Promise<unknown[]> {
  let result: unknown;
  try {
    result = (addon!.cpu[name] as (...args: unknown[]) => unknown)(...args);
  } catch (error) {
    return [codeOf(error)];
  }
  const settled = await Promise.allSettled([...storagesIn(result)].map((each) => each.data()));
  return settled.filter((each) => each.status === 'rejected').map((each) => codeOf(each.reason));
}

it.skipIf(!addon)('calls that are in order compute', async () => {
  for (const call of calls()) expect([call[0], await outcome(call)]).toEqual([call[0], []]);
  expect(
    calls()
      .map(([name]) => name)
      .sort(),
  ).toEqual(Object.keys(addon!.cpu).sort());
});

const functions = addon ? calls().map(([name], index) => [name, index] as const) : [];
it.each(functions)('%s survives any value in the place of any other', async (_, index) => {
  const count = [...places(calls()[index]!.slice(1))].length;
  const unexpected: unknown[] = [];
  for (let place = 0; place < count; place++) {
    for (const make of hostile) {
      const [name, ...args] = calls()[index]!;
      const [holder, key] = [...places(args)][place]!;
      const value = make();
      holder[key] = value;
      for (const code of await outcome([name, ...args])) {
        if (!codes.includes(code as string)) unexpected.push([key, value, code]);
      }
    }
  }
  expect(unexpected).toEqual([]);
  expect(await outcome(['fill', 1, 0])).toEqual([]);
});

it.skipIf(!addon)('a getter that disposes of what was read before it is too late', async () => {
  for (const [index, [name]] of calls().entries()) {
    const count = [...places(calls()[index]!.slice(1))].length;
    for (let place = 0; place < count; place++) {
      const [, ...args] = calls()[index]!;
      const [holder, key] = [...places(args)][place]!;
      if ((holder as unknown) === args) continue; // an argument itself is no getter
      const value = holder[key];
      const storages = [...storagesIn(args)];
      Object.defineProperty(holder, key, {
        get: () => {
          for (const storage of storages) storage.dispose();
          return value;
        },
      });
      for (const code of await outcome([name, ...args])) {
        expect([name, key, code]).toEqual([name, key, 'ERR_DISPOSED']);
      }
    }
  }
});

it.skipIf(!addon)('what throws while it is read is thrown on', () => {
  const mine = new TypeError('mine');
  const throwing = Object.defineProperty([1], '0', {
    get: () => {
      throw mine;
    },
  });
  expect(() => addon!.cpu.reduce('sum', upload(1), throwing, [])).toThrow(mine);
});

it.skipIf(!addon)('geometry at its limits', async () => {
  const wide = { ...convolution(), xShape: [1, 1, 1, 1], x: upload(1), weightShape: [1, 1, 1, 1] };
  const at = { ...wide, weight: upload(1), bias: null, dilation: [2 ** 31, 2 ** 31] };
  const padded = { ...at, padding: [2 ** 31, 2 ** 31], stride: [2 ** 31, 2 ** 31] };
  expect([...addon!.cpu.conv2d(padded as never).dataSync()]).toEqual([
    0, 0, 0, 0, 0.25, 0, 0, 0, 0,
  ]);
  const whole = addon!.cpu.slice(upload(4), [4], [3], [1], [2 ** 53]);
  expect([...whole.dataSync()]).toEqual([0.5]);
  expect(await outcome(['fill', 1e15, 0])).toEqual(['ERR_OUT_OF_MEMORY']);
  expect(await outcome(['fill', 2 ** 40, 0])).toEqual(['ERR_OUT_OF_MEMORY']);
  const empty = [0, 2 ** 40, 2 ** 40];
  expect(await outcome(['permute', upload(0), empty, [2, 1, 0]])).toEqual(['ERR_OUT_OF_MEMORY']);
});

it.skipIf(!addon)('storages are made by operations, and their methods are for them', () => {
  const storage = upload(1);
  const { constructor: Storage } = Object.getPrototypeOf(storage);
  expect(() => new Storage()).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  expect(() => Storage()).toThrow();
  expect(() => Reflect.construct(Storage, [storage], Object)).toThrow();
  for (const receiver of [{}, null, 1, addon, new Proxy(storage, {}), Object.create(storage)]) {
    expect(() => storage.dataSync.call(receiver as never)).toThrow(TypeError);
    expect(() => storage.dispose.call(receiver as never)).toThrow(TypeError);
  }
  expect([...storage.dataSync()]).toEqual([0.5]);
});
