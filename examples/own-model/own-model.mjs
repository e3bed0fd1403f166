// A custom model: an encoder reads the past frames, a forecaster starts from the encoder's states and
// computes the next ones, a convolution turns its h into frames (Shi et al. 2015, figure 3).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Conv2d, ConvLSTM, Module, manualSeed, safetensors, Tensor } from 'convlstm';

const kHidden = [8, 6];

class EncoderForecaster extends Module {
  // Modules in properties register themselves; the property's name is the key in the state dict.
  encoder = new ConvLSTM({ inputDim: 1, hiddenDim: kHidden, kernelSize: 3, batchFirst: true });
  forecaster = new ConvLSTM({ inputDim: 1, hiddenDim: kHidden, kernelSize: 3, batchFirst: true });
  head = new Conv2d({ inChannels: 6, outChannels: 1, kernelSize: 1 });

  /** [B, T, 1, H, W] to [B, steps, 1, H, W]. */
  forward(frames, steps) {
    const [batch, , channels, height, width] = frames.shape;
    const { states } = this.encoder.forward(frames);
    // The forecaster's input is zero, as in the paper: it has the states alone.
    const nothing = Tensor.zeros([batch, steps, channels, height, width]);
    const { output } = this.forecaster.forward(nothing, states);
    // Conv2d takes [N, C, H, W]: merge time into the batch, then split it again.
    const flat = output.flatten(0, 1);
    return this.head.forward(flat).sigmoid().reshape([batch, steps, channels, height, width]);
  }
}

manualSeed(5);
const model = new EncoderForecaster();
let count = 0;
for (const [name, parameter] of model.namedParameters()) {
  console.log(name.padEnd(36), parameter.shape);
  count += parameter.size;
}
console.log(`${count} parameters`);

const frames = Tensor.rand([2, 4, 1, 16, 16]);
const forecast = model.forward(frames, 3);
console.log('forecast', forecast.shape);

const folder = await mkdtemp(path.join(tmpdir(), 'own-model-'));
const file = path.join(folder, 'weights.safetensors');
await safetensors.save(file, model.stateDict(), { metadata: { note: 'untrained' } });
const copy = new EncoderForecaster().loadStateDict(await safetensors.load(file));
const difference = await copy.forward(frames, 3).sub(forecast).abs().max().item();
console.log(`saved and loaded, difference ${difference}`);
await rm(folder, { recursive: true });
