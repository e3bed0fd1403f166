// Training from given weights and batches reproduces PyTorch's losses: test/fixtures/trajectories.py.
import { expect, it } from 'vitest';
import {
  Adam,
  AdamW,
  bceWithLogitsLoss,
  Conv2d,
  ConvLSTM,
  clipGradNorm,
  clipGradValue,
  Module,
  mseLoss,
  RMSprop,
  SGD,
  Tensor,
} from '../../src/index.js';
import { loadFixture } from '../support/fixture.js';
import { describeOnTarget } from '../support/target.js';

interface Options {
  optimizer: 'Adam' | 'AdamW' | 'RMSprop' | 'SGD';
  options: object;
  loss: 'bceWithLogitsLoss' | 'mseLoss';
  clip: { norm?: number; value?: number };
  hiddenDim: number[];
  kernelSize: number;
  losses: number[];
  norms: number[];
}

const optimizers = { Adam, AdamW, RMSprop, SGD };
const criteria = { bceWithLogitsLoss, mseLoss };

class Forecast extends Module {
  readonly cells: ConvLSTM;
  readonly head: Conv2d;

  constructor({ hiddenDim, kernelSize }: Options) {
    super();
    const peephole = 'channel';
    this.cells = new ConvLSTM({ inputDim: 1, hiddenDim, kernelSize, peephole, batchFirst: true });
    this.head = new Conv2d({ inChannels: hiddenDim.at(-1)!, outChannels: 1, kernelSize: 1 });
  }

  forward(x: Tensor): Tensor {
    const { outputs } = this.cells.forward(x);
    return this.head.forward(outputs[0]!.flatten(0, 1)).reshape(x.shape);
  }
}

describeOnTarget('training follows PyTorch', () => {
  it.each(loadFixture<Options>('trajectories'))('$options.name', async ({ options, tensors }) => {
    const tensor = (name: string) => {
      const { values, shape } = tensors.get(name)!;
      return Tensor.from(Float32Array.from(values), shape);
    };
    const net = new Forecast(options);
    const names = [...tensors.keys()].filter((name) => name.startsWith('weights.'));
    net.loadStateDict(
      Object.fromEntries(names.map((name) => [name.slice('weights.'.length), tensor(name)])),
    );
    const frames = tensor('frames'); // [batches, B, T + 1, 1, H, W]
    const optimizer = new optimizers[options.optimizer](net.parameters(), options.options);
    const criterion = criteria[options.loss];
    for (const [step, expected] of options.losses.entries()) {
      using batch = frames.select(0, step % frames.shape[0]!);
      using forecast = net.forward(batch.slice([null, null], [null, -1]));
      using loss = criterion(forecast, batch.slice([null, 1]));
      optimizer.zeroGrad();
      loss.backward();
      if (options.clip.norm !== undefined) {
        const norm = await clipGradNorm(net.parameters(), options.clip.norm).item();
        expect(Math.abs(norm / options.norms[step]! - 1), `norm ${step}`).toBeLessThan(1e-5);
      }
      if (options.clip.value !== undefined) {
        clipGradValue(net.parameters(), options.clip.value);
      }
      optimizer.step();
      expect(Math.abs((await loss.item()) / expected - 1), `step ${step}`).toBeLessThan(1e-5);
    }
    expect(options.losses.at(-1)).toBeLessThan(0.8 * options.losses[0]!);
  });
});
