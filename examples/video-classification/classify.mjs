// Classifies videos of moving digits by direction and speed: a ConvLSTM, global average pooling and a
// linear layer, trained on moving MNIST digits and tested on unseen ones.
//
//   node examples/video-classification/classify.mjs
//   node examples/video-classification/classify.mjs --steps 120
import { parseArgs } from 'node:util';
import {
  Adam,
  ConvLSTM,
  crossEntropyLoss,
  DataLoader,
  functional,
  init,
  Linear,
  Module,
  manualSeed,
  noGrad,
  OneCycle,
  Trainer,
} from 'convlstm';
import { kClasses, movingDigits } from './moving-digits.mjs';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '300' },
    test: { type: 'string', default: '2000' },
  },
});
const kBatch = 32;
const kPatch = 4;
const kHidden = 32;

class Classifier extends Module {
  cells = new ConvLSTM({
    inputDim: kPatch ** 2,
    hiddenDim: kHidden,
    kernelSize: 3,
    batchFirst: true,
  });
  classes = new Linear({ inFeatures: kHidden, outFeatures: kClasses.length });

  /** Frames [B, T, 1, H, W] to class scores [B, 8]. */
  forward(frames) {
    const { states } = this.cells.forward(functional.pixelUnshuffle(frames, kPatch));
    return this.classes.forward(states.at(-1).h.mean([2, 3]));
  }
}

manualSeed(1);
const model = new Classifier();
init.forgetBias(model, 1);
const training = await movingDigits('train', Number(values.steps) * kBatch);
const testing = await movingDigits('t10k', Number(values.test));
const optimizer = new Adam(model.parameters());
const trainer = new Trainer({
  model,
  optimizer,
  schedule: new OneCycle(optimizer, { maxLr: 1e-2, totalSteps: Number(values.steps) }),
  data: new DataLoader(training, { batchSize: kBatch, shuffle: true }),
  loss: ({ input, label }) => crossEntropyLoss(model.forward(input), label),
  clipNorm: 1,
  reportEvery: 50,
});
await trainer.run();

model.eval();
let right = 0;
for await (const { input, label } of new DataLoader(testing, { batchSize: 100 })) {
  const scores = await noGrad(() => model.forward(input)).toArray();
  const truth = await label.data();
  right += scores.filter((row, n) => row.indexOf(Math.max(...row)) === truth[n]).length;
  for (const tensor of [input, label]) tensor.dispose();
}
const share = ((100 * right) / testing.length).toFixed(1);
console.log(
  `${share}% of ${testing.length} test videos right after ${trainer.seconds.toFixed(0)} s`,
);
