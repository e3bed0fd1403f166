// A strict program against the built package: it has to compile, declarations of libraries checked.
// test/types.test.ts does so.
import {
  Adam,
  Conv2d,
  ConvLSTM,
  type ConvLSTMOptions,
  DataLoader,
  type DataLoaderOptions,
  type Dataset,
  type Device,
  FrameFolder,
  type FrameFolderOptions,
  type gif,
  Module,
  MovingMnist,
  type MovingMnistOptions,
  mseLoss,
  noGrad,
  type ProgressOptions,
  parseTrainConfig,
  readFrames,
  safetensors,
  Tensor,
  Trainer,
  type UnrollOptions,
} from 'convlstm';

type IsAny<T> = 0 extends 1 & T ? true : false;
/** Refuses what is `any`. */
function known<T>(value: IsAny<T> extends true ? never : T): T {
  return value;
}

class Net extends Module {
  cells = new ConvLSTM({ inputDim: 1, hiddenDim: [4, 4], kernelSize: 3, batchFirst: true });
  head = new Conv2d({ inChannels: 4, outChannels: 1, kernelSize: 1 });

  forward(x: Tensor): Tensor {
    const { states } = this.cells.forward(x);
    return this.head.forward(states.at(-1)!.h).sigmoid();
  }
}

export function optionsLeftUndefined(n: number | undefined, flag: boolean | undefined) {
  const net: ConvLSTMOptions = {
    inputDim: 1,
    hiddenDim: 2,
    kernelSize: 3,
    numLayers: n,
    bias: flag,
  };
  const loader: DataLoaderOptions = { batchSize: n, shuffle: flag, device: undefined };
  const folder: FrameFolderOptions = {
    inputLength: 1,
    targetLength: 1,
    stride: n,
    crop: n,
    normalize: { mean: n, std: n },
  };
  const digits: MovingMnistOptions = { seed: n, bounce: flag };
  const unroll: UnrollOptions = { teacherForcing: n, random: undefined };
  const animation: gif.GifOptions = { delay: n };
  const progress: ProgressOptions = { progress: undefined, stream: undefined };
  return [net, loader, folder, digits, unroll, animation, progress];
}

export async function train(epochs: number | undefined, device: Device): Promise<void> {
  using net = new Net().to(device).to({ precision: 'high' });
  type Point = {
    input: { data: Float32Array; shape: number[] };
    label: { data: Float32Array; shape: number[] };
  };
  const dataset: Dataset<Point> = {
    length: 4,
    get: (index) => ({
      input: { data: Float32Array.of(index), shape: [1] },
      label: { data: Float32Array.of(index), shape: [1] },
    }),
  };
  const trainer = new Trainer({
    model: net,
    optimizer: new Adam(net.parameters(), { lr: 1e-3 }),
    data: new DataLoader(dataset, { batchSize: 2 }),
    loss: ({ input, label }, { step }) => {
      known(step) satisfies number;
      return mseLoss(net.forward(input), label);
    },
    epochs,
    clipNorm: undefined,
    checkpoint: { file: 'run.safetensors', every: undefined },
    validation: { data: new DataLoader(dataset), patience: undefined },
    signal: undefined,
  });
  for await (const { loss, validation } of trainer) {
    known(loss) satisfies number;
    known(validation) satisfies number | null;
  }
}

export async function data(): Promise<void> {
  const folder = await FrameFolder.open('frames/', { inputLength: 2, targetLength: 1 });
  for await (const { input, target } of new DataLoader(folder))
    known([input, target]) satisfies Tensor[];
  const digits = new MovingMnist({ data: new Uint8Array(16), shape: [1, 4, 4] });
  for await (const { input } of new DataLoader(digits)) known(input) satisfies Tensor;
  const config = parseTrainConfig({});
  if (config.optimizer.kind === 'sgd') known(config.optimizer.nesterov) satisfies boolean;
  known(await safetensors.load('weights.safetensors')) satisfies Record<string, Tensor>;
}

export async function follow(): Promise<void> {
  const net = new Net();
  using stream = net.cells.stream();
  for await (const h of stream.run(readFrames('frames/'))) known(h) satisfies Tensor;
  for (const frame of stream.forecast(3, (h) => net.head.forward(h))) frame.dispose();
  known(noGrad(() => net.cells.forward(Tensor.zeros([1, 1, 1, 4, 4])).outputs)) satisfies Tensor[];
}
