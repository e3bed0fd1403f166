// A caller's mistake throws in the caller's line, with a stable code and a message that names both sides.
import { expect, it } from 'vitest';
import {
  Adam,
  Conv2d,
  ConvLSTM,
  ConvLSTMCell,
  ConvLSTMError,
  type ConvLSTMOptions,
  type Device,
  Forecaster,
  functional,
  gif,
  Linear,
  loadModel,
  mseLoss,
  npy,
  Parameter,
  pgm,
  png,
  Sequential,
  StepLR,
  safetensors,
  setFloat32Precision,
  squaredError,
  Tensor,
} from '../src/index.js';
import { devices } from './support/devices.js';

const base = { inputDim: 3, hiddenDim: [4, 5], kernelSize: 3, numLayers: 2, batchFirst: true };
const build = (options: object) => new ConvLSTM({ ...base, ...options } as ConvLSTMOptions);
const net = build({});
const cell = new ConvLSTMCell({ inputDim: 3, hiddenDim: 2, kernelSize: 3 });
const stream = net.stream();
const x = Tensor.zeros([1, 2, 3, 4, 5]);
const fed = () => {
  const other = net.stream();
  other.step(Tensor.zeros([1, 3, 4, 5])).dispose();
  return other;
};
const frame = { data: new Float32Array(1), shape: [1, 1] };
const gone = Tensor.zeros([2]);
gone.dispose();
const elsewhere = Tensor.zeros([1, 2, 3, 4, 5], { device: 'javascript' });

const refusals: [code: string, message: string | RegExp, call: () => unknown][] = [
  // Shapes.
  [
    'ERR_SHAPE',
    'input: expected [B, T, 3, H, W], got [1, 10, 8, 64, 64]',
    () => net.forward(Tensor.zeros([1, 10, 8, 64, 64])),
  ],
  [
    'ERR_SHAPE',
    'input: expected [B, T, 3, H, W], got [1, 3, 4, 5]',
    () => net.forward(Tensor.zeros([1, 3, 4, 5])),
  ],
  [
    'ERR_SHAPE',
    'input: expected [T, B, 3, H, W], got [3, 4, 5]',
    () => build({ batchFirst: false }).forward(Tensor.zeros([3, 4, 5])),
  ],
  [
    'ERR_SHAPE',
    'input: expected [B, 3, H, W], got [1, 2, 4, 5]',
    () => cell.forward(Tensor.zeros([1, 2, 4, 5])),
  ],
  ['ERR_SHAPE', /input: .*got \[2, 3\]/, () => stream.step(Tensor.zeros([2, 3]))],
  ['ERR_SHAPE', /\[0, 2, 3, 4, 5\]/, () => net.forward(Tensor.zeros([0, 2, 3, 4, 5]))],
  ['ERR_SHAPE', 'states has 1 entries but numLayers is 2', () => net.forward(x, [null])],
  [
    'ERR_SHAPE',
    /states\[1\].*expected \[1, 5, 4, 5\], got \[1, 4, 4, 5\]/,
    () => net.forward(x, [null, { h: Tensor.zeros([1, 4, 4, 5]), c: Tensor.zeros([1, 5, 4, 5]) }]),
  ],
  ['ERR_SHAPE', /6.*\[2, 4\].*8/, () => Tensor.from(new Float32Array(6), [2, 4])],
  ['ERR_SHAPE', /data\[1\]/, () => Tensor.from([[1, 2], [3]])],
  ['ERR_SHAPE', /-1/, () => Tensor.zeros([2, -1])],
  ['ERR_SHAPE', /1.5/, () => Tensor.zeros([1.5])],
  ['ERR_SHAPE', /\[2, 3\].*\[4\]/, () => Tensor.zeros([2, 3]).add(Tensor.zeros([4]))],
  ['ERR_SHAPE', /\[2, 3\].*6.*\[4\]/, () => Tensor.zeros([2, 3]).reshape([4])],
  ['ERR_SHAPE', /axis/, () => Tensor.zeros([2, 3]).sum(2)],
  // Arguments one by one, as in PyTorch.
  [
    'ERR_OPTION',
    'shape: expected a list of non-negative integers, got 3',
    () => (Tensor.zeros([2, 3]).reshape as (...sizes: unknown[]) => void).call(x, 3, 2),
  ],
  ['ERR_OPTION', 'permute: order: expected a list of axes, got 1', () => x.permute(1 as never)],
  [
    'ERR_OPTION',
    'concat: parts: expected a list of at least one tensor, got Tensor',
    () => Tensor.concat(x as never),
  ],
  [
    'ERR_OPTION',
    'sum: expected an axis or a list of axes, got { keepDim: true }',
    () => x.sum({ keepDim: true } as never),
  ],
  [
    'ERR_SHAPE',
    /parts\[1\].*\[2, 4\]/,
    () => Tensor.concat([Tensor.zeros([2, 3]), Tensor.zeros([2, 4])]),
  ],
  [
    'ERR_OPTION',
    'shape: expected a list of non-negative integers, got [2n, 3]',
    () => Tensor.zeros([2n as never, 3]),
  ],
  [
    'ERR_OPTION',
    'shape: expected a list of non-negative integers, got 4',
    () => Tensor.from({ data: new Float32Array(4), shape: 4 as never }),
  ],
  [
    'ERR_SHAPE',
    'shape: expected at most 64 axes, got 65',
    () => {
      const endless: unknown[] = [];
      endless[0] = endless;
      Tensor.from(endless as never);
    },
  ],
  [
    'ERR_SHAPE',
    'data[1]: expected 100000 entries, got 1', // 10^10 elements, as the first row promises
    () => Tensor.from([new Array(1e5).fill(0), ...new Array(1e5 - 1).fill([0])]),
  ],
  ['ERR_SHAPE', /one element.*\[2, 3\]/, () => Tensor.zeros([2, 3]).itemSync()],
  [
    'ERR_SHAPE',
    /smaller than the kernel/,
    () =>
      new Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 3 }).forward(
        Tensor.zeros([1, 1, 2, 2]),
      ),
  ],

  // Values of the wrong type.
  ['ERR_DTYPE', /data\[0\].*string/, () => Tensor.from(['1'] as never)],
  ['ERR_OPTION', /data: expected/, () => Tensor.from({} as never)],
  [
    'ERR_OPTION',
    'input: expected a Tensor, got Float32Array; Tensor.from makes one',
    () => net.forward(new Float32Array(4) as never),
  ],
  [
    'ERR_OPTION',
    'states[1].h: expected a Tensor, got undefined',
    () => net.forward(x, [null, [x, x] as never]),
  ],
  [
    'ERR_OPTION',
    'state.h: expected a Tensor, got undefined', // PyTorch's pair in the place of { h, c }
    () => cell.forward(Tensor.zeros([1, 3, 4, 5]), [x, x] as never),
  ],
  [
    'ERR_OPTION',
    'input: expected a Tensor, got undefined',
    () => new Linear({ inFeatures: 2, outFeatures: 1 }).forward(undefined as never),
  ],
  [
    'ERR_OPTION',
    'frames: expected a Tensor, got an array; Tensor.from makes one',
    () => new Forecaster({ version: 1, hiddenDim: [1] }).forward([[1]] as never, 2),
  ],
  ['ERR_OPTION', 'add: b: expected a Tensor, got undefined', () => x.add(undefined as never)],
  ['ERR_OPTION', /stack: parts\[1\]: .* got 2/, () => Tensor.stack([x, 2 as never])],
  [
    'ERR_OPTION',
    'concat: parts[1]: expected a Tensor, got null',
    () => Tensor.concat([x, null as never]),
  ],
  [
    'ERR_OPTION',
    'input: expected a Tensor, got Object; Tensor.from makes one',
    () => net.forward({ data: [1], shape: [1] } as never),
  ],
  [
    'ERR_OPTION',
    'input: expected a Tensor, got an object', // what safetensors.load returns has no prototype
    () => net.forward(Object.create(null)),
  ],
  [
    'ERR_OPTION',
    'states: expected a list of { h, c }, one per layer, got Object',
    () => net.forward(x, { h: x, c: x } as never),
  ],
  ['ERR_OPTION', 'flatten: x: expected a Tensor, got 3', () => functional.flatten(3 as never)],
  [
    'ERR_OPTION',
    'result of head: expected a Tensor, got Promise',
    () => [...fed().forecast(2, (async (h: Tensor) => h) as never)],
  ],
  [
    'ERR_DTYPE',
    /float16/,
    () => Tensor.from({ data: new Uint16Array(2), shape: [2], dtype: 'float16' }),
  ],

  [
    'ERR_OPTION',
    'data: expected a number, nested arrays of numbers, a typed array or { data, shape }, got undefined',
    () => stream.step(undefined as never),
  ],
  [
    'ERR_OPTION',
    'Parameter: expected a Tensor, got an array; Tensor.from makes one',
    () => new Parameter([1] as never),
  ],
  [
    'ERR_OPTION',
    /^backward: gradient: expected a Tensor, got an array/,
    () => {
      const leaf = Tensor.ones([1]);
      leaf.requiresGrad = true;
      leaf.mul(2).backward([1] as never);
    },
  ],

  // Options.
  ['ERR_OPTION', 'hiddenDim has 2 entries but numLayers is 3', () => build({ numLayers: 3 })],
  [
    'ERR_OPTION',
    'kernelSize has 3 entries but numLayers is 2',
    () =>
      build({
        kernelSize: [
          [3, 3],
          [5, 5],
          [3, 3],
        ],
      }),
  ],
  ['ERR_OPTION', /inputDim: expected a positive integer, got 0/, () => build({ inputDim: 0 })],
  [
    'ERR_OPTION',
    /hiddenDim: expected a positive integer, got 1.5/,
    () => build({ hiddenDim: 1.5 }),
  ],
  ['ERR_OPTION', /kernelSize: .*got -3/, () => build({ kernelSize: -3 })],
  ['ERR_OPTION', /bias: expected true or false, got 'yes'/, () => build({ bias: 'yes' })],
  ['ERR_OPTION', /ConvLSTM has no option 'batch_first'/, () => build({ batch_first: true })],
  [
    'ERR_OPTION',
    /peephole: expected .*'channel' or 'spatial', got 'both'/,
    () => build({ peephole: 'both' }),
  ],
  [
    'ERR_OPTION',
    /^imageSize: expected \[height, width\] with peephole 'spatial'/,
    () => build({ peephole: 'spatial' }),
  ],
  [
    'ERR_OPTION',
    /gateOrder: .*'iffo'/,
    () => net.loadStateDict({}, { gateOrder: 'iffo' as never }),
  ],
  ['ERR_OPTION', /precision: .*'low'/, () => setFloat32Precision('low' as never)],
  ['ERR_OPTION', /precision: .*'best'/, () => net.to({ precision: 'best' as never })],
  ['ERR_OPTION', /fortranOrder/, () => Tensor.from({ data: [1], shape: [1], fortranOrder: true })],
  ['ERR_SHAPE', /steps/, () => x.slice([0], [1], [0])],
  [
    'ERR_OPTION',
    'slice: starts: expected a list of numbers and nulls, got 1',
    () => x.slice(1 as never),
  ],
  ['ERR_OPTION', /^ConvLSTM: expected an object/, () => new ConvLSTM(undefined as never)],
  [
    'ERR_OPTION',
    'schedule: expected an optimizer as the first argument, got Sequential', // not all that is in it
    () => new StepLR(new Sequential() as never, { stepSize: 1 }),
  ],
  [
    'ERR_OPTION',
    "reduction: expected 'mean', 'sum' or 'none', got 'avg'",
    () => mseLoss(x, x, { reduction: 'avg' as never }),
  ],
  [
    'ERR_DTYPE',
    'forecast: expected a Float32Array, got Float64Array(1) [ 0 ]',
    () => squaredError(new Float64Array(1) as never, new Float32Array(1)),
  ],
  ['ERR_OPTION', /^Adam: expected parameters .*net\.parameters\(\)/, () => new Adam(net as never)],
  // Misspelt, or in another place than PyTorch has them.
  [
    'ERR_OPTION',
    "loadStateDict has no option 'gate_order'; it has strict, gateOrder, prefix",
    () => net.loadStateDict(net.stateDict(), { gate_order: 'fiog' } as never),
  ],
  [
    'ERR_OPTION',
    'loadStateDict: expected an object, got false',
    () => net.loadStateDict(net.stateDict(), false as never),
  ],
  [
    'ERR_OPTION',
    "to has no option 'precison'; it has device, precision",
    () => net.to({ precison: 'medium' } as never),
  ],
  ['ERR_OPTION', 'to: expected an object, got undefined', () => net.to(undefined as never)],
  ['ERR_OPTION', /^Tensor has no option 'on'/, () => Tensor.zeros([1], { on: 'cuda' } as never)],
  ['ERR_OPTION', "Tensor: expected an object, got 'cpu'", () => Tensor.ones([1], 'cpu' as never)],
  ['ERR_OPTION', /^sum has no option 'keepdim'/, () => x.sum(0, { keepdim: true } as never)],
  ['ERR_OPTION', 'mean: expected an object, got true', () => x.mean(0, true as never)],
  [
    'ERR_OPTION',
    /^conv2d has no option 'groups'/,
    () => functional.conv2d(x, x, null, { groups: 2 } as never),
  ],
  [
    'ERR_OPTION',
    /^convLstm has no option 'batch_first'/,
    () => functional.convLstm(x, null, null, x, null, { batch_first: true } as never),
  ],
  ['ERR_OPTION', "value: expected a number, got '3'", () => Tensor.full([1], '3' as never)],
  ['ERR_OPTION', /^negativeSlope: .* got '1'/, () => x.leakyRelu('1' as never)],
  [
    'ERR_OPTION',
    /^Sequential: expected modules with forward\(\), got \[.*\] at 0/, // a list, as in Keras
    () => new Sequential([new Conv2d({ inChannels: 1, outChannels: 1, kernelSize: 1 })] as never),
  ],
  [
    'ERR_OPTION',
    'head: expected a function, got undefined',
    () => fed().forecast(2, undefined as never),
  ],
  ['ERR_OPTION', "zoneout has no option 'x'; it has h, c", () => build({ zoneout: { x: 0.1 } })],
  ['ERR_OPTION', "zoneout: expected an object, got 'a'", () => build({ zoneout: 'a' })],
  ['ERR_OPTION', /inputDim: .* got NaN/, () => build({ inputDim: Number.NaN })],
  ['ERR_OPTION', /hiddenDim: .* got 4n/, () => build({ hiddenDim: 4n })],
  [
    'ERR_OPTION',
    "gif has no option 'fps'; it has delay",
    () => gif.encode([frame], { fps: 9 } as never),
  ],
  ['ERR_OPTION', /^delay: .* got -1/, () => gif.encode([frame], { delay: -1 })],
  [
    'ERR_OPTION',
    'bitDepth: expected 8 or 16, got 12',
    () => png.encode(frame, { bitDepth: 12 as never }),
  ],
  ['ERR_OPTION', /^pgm has no option 'bits'/, () => pgm.encode(frame, { bits: 16 } as never)],
  ['ERR_OPTION', /no frame yet/, () => net.stream().forecast(2, (h) => h)],

  // Values where another kind is meant: they would be written as other numbers, or as none.
  [
    'ERR_OPTION',
    'array: expected { data: Float32Array, shape }, got { data: [ 1, 2 ], shape: [ 2 ] }',
    () => npy.encode({ data: [1, 2] as never, shape: [2] }),
  ],
  [
    'ERR_DTYPE',
    /^frame: expected \{ data: Float32Array, shape \}, got \{ data: Float64Array\(1\)/,
    () => png.encode({ data: new Float64Array(1) as never, shape: [1, 1] }),
  ],

  // Devices.
  [
    'ERR_OPTION',
    /'cpu', 'javascript', 'auto', 'cuda' or 'cuda:N'.*'gpu'/,
    () => Tensor.zeros([1], { device: 'gpu' as Device }),
  ],
  ['ERR_DEVICE', /'cuda:99' is not available/, () => net.to('cuda:99')],
  [
    'ERR_DEVICE',
    "convLstm: input is on 'javascript' but weight is on 'cpu'",
    () => net.forward(elsewhere),
  ],
  ['ERR_DEVICE', /'cpu'.*'javascript'/, () => x.add(elsewhere)],

  // Use after dispose.
  ['ERR_DISPOSED', 'the tensor [2] was disposed', () => gone.add(1)],
  ['ERR_DISPOSED', 'the tensor [2] was disposed', () => gone.dataSync()],

  // State dicts and bytes.
  [
    'ERR_SHAPE',
    'cell_list.0.conv.bias: data has 2 elements but shape [16] has 16',
    () =>
      net.loadStateDict(
        { 'cell_list.0.conv.bias': { data: [1, 2], shape: [16] } },
        { strict: false },
      ),
  ],
  [
    'ERR_DISPOSED',
    'cell_list.0.conv.bias: the tensor [16] was disposed',
    () => {
      const bias = Tensor.ones([16]);
      bias.dispose();
      net.loadStateDict({ 'cell_list.0.conv.bias': bias }, { strict: false });
    },
  ],
  [
    'ERR_STATE_DICT',
    /cell_list\.0\.conv\.bias: expected a Tensor or \{ data, shape \}$/,
    () => net.loadStateDict({ 'cell_list.0.conv.bias': [1] as never }, { strict: false }),
  ],
  [
    'ERR_STATE_DICT',
    /unexpected key w\n.*missing key cell_list\.0\.conv\.weight\n/,
    () => net.loadStateDict({ w: x }),
  ],
  ['ERR_FORMAT', /saved stream/, () => stream.load(new Uint8Array(3))],
];

it.each(refusals)('%s: %s', (code, message, call) => {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ConvLSTMError);
  const { name, code: actualCode, message: actualMessage } = error as ConvLSTMError;
  expect({ name, code: actualCode }).toEqual({ name: 'ConvLSTMError', code });
  if (typeof message === 'string') expect(actualMessage).toBe(message);
  else expect(actualMessage).toMatch(message);
});

it('a state dict that does not fit is refused as a whole, all reasons at once', async () => {
  const before = await net.stateDict()['cell_list.0.conv.bias']!.data();
  const { 'cell_list.1.conv.bias': _missing, ...dict } = net.stateDict();
  dict['cell_list.0.conv.bias'] = Tensor.ones([16]);
  dict['cell_list.0.conv.weight'] = Tensor.zeros([16, 6, 3, 3]);
  dict['extra'] = Tensor.zeros([1]);
  expect(() => net.loadStateDict(dict)).toThrow(
    expect.objectContaining({
      code: 'ERR_STATE_DICT',
      message: [
        'the state dict does not fit:',
        'unexpected key extra',
        'cell_list.0.conv.weight: expected [16, 7, 3, 3], got [16, 6, 3, 3]',
        'missing key cell_list.1.conv.bias',
      ].join('\n  '),
    }),
  );
  expect(await net.stateDict()['cell_list.0.conv.bias']!.data()).toEqual(before);
});

const rejections: [code: string, message: string | RegExp, call: () => Promise<unknown>][] = [
  [
    'ERR_OPTION',
    /^a: expected \{ data: Float32Array, shape \}, got \{ data: \[ 1, 2 \]/,
    () => safetensors.save(null, { a: { data: [1, 2] as never, shape: [2] } }),
  ],
  [
    'ERR_OPTION',
    'a: expected { data: Float32Array, shape }, got [1, 2]',
    () => safetensors.save(null, { a: [1, 2] as never }),
  ],
  [
    'ERR_OPTION',
    "safetensors.save has no option 'epoch'; it has metadata",
    () => safetensors.save(null, {}, { epoch: '3' } as never),
  ],
  [
    'ERR_OPTION',
    /^metadata: .* got null/,
    () => safetensors.save(null, {}, { metadata: null as never }),
  ],
  [
    'ERR_OPTION',
    'safetensors.save: expected tensors by name, got undefined',
    () => safetensors.save(null, undefined as never),
  ],
  ['ERR_OPTION', /^expected a path, .* got undefined/, () => safetensors.load(undefined as never)],
  ['ERR_OPTION', /^expected a path, .* got 1000000000000/, () => npy.load(1e12 as never)],
  [
    'ERR_OPTION',
    "loadModel has no option 'description'; it has model, trainable",
    () => loadModel('w.safetensors', { description: {} } as never),
  ],
];

it.each(rejections)('%s: %s', async (code, message, call) => {
  const error: unknown = await call().catch((reason) => reason);
  expect(error).toBeInstanceOf(ConvLSTMError);
  expect((error as ConvLSTMError).code).toBe(code);
  if (typeof message === 'string') expect((error as Error).message).toBe(message);
  else expect((error as Error).message).toMatch(message);
});

it('numbers, or weights, that no memory holds', () => {
  const failure = expect.objectContaining({ name: 'ConvLSTMError', code: 'ERR_OUT_OF_MEMORY' });
  expect(() => Tensor.rand([2 ** 20, 2 ** 19])).toThrow(failure);
  expect(() => Tensor.randn([2 ** 20, 2 ** 19])).toThrow(failure);
  expect(() => new ConvLSTM({ inputDim: 1, hiddenDim: 2 ** 18, kernelSize: 3 })).toThrow(failure);
  expect(() => new ConvLSTM({ inputDim: 1e9, hiddenDim: 1e9, kernelSize: 1e9 })).toThrow(failure);
});

it.each(devices)('%s: more elements than any memory has', async (device) => {
  const failure = { name: 'ConvLSTMError', code: 'ERR_OUT_OF_MEMORY' };
  const make = async () => Tensor.zeros([1e7, 1e8], { device }).data();
  await expect(make()).rejects.toMatchObject(failure);
});

it('what only running can tell rejects data(), passed on to what is computed from it', async () => {
  const half = 2 ** 20;
  const row = Tensor.ones([half, 1]);
  const tooLarge = row.mul(Tensor.ones([1, half / 2])); // 2 TiB
  const sum = tooLarge.sum();
  const failure = { name: 'ConvLSTMError', code: 'ERR_OUT_OF_MEMORY' };
  await expect(tooLarge.data()).rejects.toMatchObject(failure);
  await expect(sum.data()).rejects.toMatchObject(failure);
  expect(() => sum.dataSync()).toThrow(expect.objectContaining(failure));
  expect(await Tensor.ones([2]).add(1).data()).toEqual(Float32Array.of(2, 2));
});
