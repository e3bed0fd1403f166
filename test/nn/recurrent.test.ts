// A second kind of cell, composed of operations: all that holds a recurrent layer takes it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Pair } from '../../binding.js';
import {
  Adam,
  Conv2d,
  ConvLSTM,
  Forecaster,
  loadModel,
  manualSeed,
  noGrad,
  parseTrainConfig,
  RecurrentCell,
  RecurrentStack,
  safetensors,
  Tensor,
} from '../../src/index.js';
import { type CellName, kCells } from '../../src/models/cells.js';
import { buildModel, trainingLoss } from '../../src/training/forecast-run.js';
import { expectError } from '../support/errors.js';
import { expectClose } from '../support/numbers.js';

interface GruState {
  h: Tensor;
}

class ConvGRUCell extends RecurrentCell<GruState> {
  readonly inputDim: number;
  readonly hiddenDim: number;
  readonly gates: Conv2d; // z, r
  readonly candidate: Conv2d;

  constructor(inputDim: number, hiddenDim: number) {
    super();
    this.inputDim = inputDim;
    this.hiddenDim = hiddenDim;
    const shape = { inChannels: inputDim + hiddenDim, kernelSize: 3, padding: 1 };
    this.gates = new Conv2d({ ...shape, outChannels: 2 * hiddenDim });
    this.candidate = new Conv2d({ ...shape, outChannels: hiddenDim });
  }

  stateShapes(batchSize: number, imageSize: Pair) {
    return { h: [batchSize, this.hiddenDim, ...imageSize] };
  }

  forward(x: Tensor, state?: GruState | null): GruState {
    const [batch, , height, width] = x.shape as [number, number, number, number];
    const { h } = state ?? this.initHidden(batch, [height, width]);
    const gates = this.gates.forward(Tensor.concat([x, h], 1)).sigmoid();
    const z = gates.slice([null, 0], [null, this.hiddenDim]);
    const r = gates.slice([null, this.hiddenDim]);
    const candidate = this.candidate.forward(Tensor.concat([x, r.mul(h)], 1)).tanh();
    return { h: candidate.add(z.mul(h.sub(candidate))) };
  }
}

const kKind = 'test-gru' as CellName;

beforeAll(() => {
  Object.assign(kCells, {
    [kKind]: {
      build: ({ inputDim, hiddenDim }: { inputDim: number; hiddenDim: readonly number[] }) =>
        new RecurrentStack(
          hiddenDim.map((hidden, k) => new ConvGRUCell(hiddenDim[k - 1] ?? inputDim, hidden)),
          { batchFirst: true },
        ),
      countParameters: () => 1,
    },
  });
});
afterAll(() => {
  delete (kCells as Record<string, unknown>)[kKind];
});

manualSeed(5);
const net = new RecurrentStack([new ConvGRUCell(1, 3), new ConvGRUCell(3, 2)], {
  batchFirst: true,
});
const sequence = Tensor.randn([2, 5, 1, 4, 6]);
const frames = Array.from({ length: 5 }, (_, t) => sequence.select(1, t));

const fed = (count: number) => {
  const stream = net.stream();
  for (const frame of frames.slice(0, count)) stream.feed(frame);
  return stream;
};

it('a sequence gives what a stream gives frame by frame', async () => {
  const { output, outputs, states } = noGrad(() => net.forward(sequence));
  expect(outputs.map(({ shape }) => shape)).toEqual([[2, 5, 2, 4, 6]]);
  const stream = net.stream();
  for (const [t, frame] of frames.entries()) {
    expectClose(await stream.step(frame).data(), await output.select(1, t).data(), 1e-6);
  }
  expect(states.map((state) => Object.keys(state))).toEqual([['h'], ['h']]);
  expectClose(await states[1]!.h.data(), await output.select(1, 4).data(), 1e-6);
});

it('states carry on, whatever the layout of the sequence', async () => {
  const timeFirst = new RecurrentStack(net.cells);
  const turned = sequence.transpose(0, 1);
  const whole = noGrad(() => timeFirst.forward(turned).output.transpose(0, 1));
  const first = noGrad(() => net.forward(sequence.slice([null, 0], [null, 2])));
  const second = noGrad(() => net.forward(sequence.slice([null, 2]), first.states));
  const joined = Tensor.concat([first.output, second.output], 1);
  expectClose(await joined.data(), await whole.data(), 1e-6);
  const wrong = net.initHidden(2, [4, 5]);
  expectError(
    () => net.forward(sequence, wrong),
    'ERR_SHAPE',
    'states[0].h: expected [2, 3, 4, 6], got [2, 3, 4, 5]',
  );
});

it('a stream saves, loads, clones and forecasts', async () => {
  const head = new Conv2d({ inChannels: 2, outChannels: 1, kernelSize: 1 });
  const stream = fed(3);
  const expected = await stream.clone().step(frames[3]!).data();
  const restored = net.stream().load(await stream.save());
  expect(await restored.step(frames[3]!).data()).toEqual(expected);
  const ahead = [...stream.forecast(2, (h) => head.forward(h))];
  expect(ahead.map(({ shape }) => shape)).toEqual([
    [2, 1, 4, 6],
    [2, 1, 4, 6],
  ]);
  const other = fed(3);
  const next = noGrad(() => head.forward(other.step(ahead[0]!)));
  expectClose(await next.data(), await ahead[1]!.data(), 1e-6);
});

it('a stream refuses the saved state of other cells', async () => {
  const lstm = new ConvLSTM({ inputDim: 1, hiddenDim: [3, 2], kernelSize: 3 }).stream();
  const bytes = await fed(1).save();
  expectError(
    () => lstm.load(bytes),
    'ERR_SHAPE',
    'layer 0 c [2, 3, 4, 6], h [2, 3, 4, 6], got h [2, 3, 4, 6]',
  );
});

it('gradients reach the weights of every cell through the sequence', async () => {
  net.forward(sequence).output.square().mean().backward();
  for (const parameter of net.parameters()) {
    expect(Math.max(...(await parameter.grad!.abs().data()))).toBeGreaterThan(0);
  }
});

it('a configuration builds a Forecaster of it, which trains, is saved and loaded', async () => {
  const config = parseTrainConfig({
    version: 1,
    model: { version: 1, cell: kKind, patchSize: 2, hiddenDim: [4, 3] },
    data: { kind: 'frames' },
    loss: 'bce',
  });
  const model = buildModel(config);
  const batch = { input: Tensor.rand([2, 3, 1, 8, 8]), target: Tensor.zeros([2, 2, 1, 8, 8]) };
  const optimizer = new Adam(model.parameters(), { lr: 0.02 });
  const loss = trainingLoss(config, model, 5);
  const losses: number[] = [];
  for (let step = 1; step <= 5; step++) {
    const value = loss(batch, { epoch: 1, step });
    optimizer.zeroGrad();
    value.backward();
    optimizer.step();
    losses.push(await value.item());
  }
  expect(losses.at(-1)).toBeLessThan(losses[0]!);

  const metadata = { convlstm: JSON.stringify(model.description) };
  const loaded = await loadModel(await safetensors.save(null, model.stateDict(), { metadata }));
  expect(Object.keys(loaded.stateDict())).toContain('cell_list.1.candidate.weight');
  const expected = await noGrad(() => model.forward(batch.input, 2)).data();
  expect(await noGrad(() => loaded.forward(batch.input, 2)).data()).toEqual(expected);
  const streamed: Tensor[] = [];
  const each = [0, 1, 2].map((t) => batch.input.select(1, t));
  for await (const frame of loaded.forecast(each, 2)) streamed.push(frame);
  expectClose(await Tensor.stack(streamed, 1).data(), expected, 1e-6);
});

it('a description names a kind of cell', () => {
  expectError(
    () => new Forecaster({ version: 1, hiddenDim: [2], cell: 'convgru' as CellName }),
    'ERR_OPTION',
    "cell: expected 'convlstm'",
    "got 'convgru'",
  );
});

it('a configuration sets no forget bias where cells have no forget gate', () => {
  const model = { version: 1, hiddenDim: [2], cell: kKind };
  const initialization = { forgetBias: 1 };
  const config = parseTrainConfig({ version: 1, model, data: { kind: 'frames' }, initialization });
  expect(() => buildModel(config)).not.toThrow();
});
