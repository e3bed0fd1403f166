// Trains a model on your own frames: a folder of PNG, PGM, .npy or HDF5 radar images in natural order, or
// of such folders. The model learns to forecast ten frames and is saved for `convlstm forecast`.
//
//   node examples/own-frames/train.mjs FOLDER --epochs 20 --out model.safetensors
import { parseArgs } from 'node:util';
import {
  Adam,
  bceWithLogitsLoss,
  DataLoader,
  Forecaster,
  FrameFolder,
  saveModel,
  Trainer,
} from 'convlstm';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    epochs: { type: 'string', default: '20' },
    out: { type: 'string', default: 'model.safetensors' },
    frames: { type: 'string', default: '10' },
  },
});
const length = Number(values.frames);
const frames = await FrameFolder.open(positionals[0], {
  inputLength: length,
  targetLength: length,
});
const model = new Forecaster({ version: 1, patchSize: 4, hiddenDim: [32, 32] });
const trainer = new Trainer({
  model,
  optimizer: new Adam(model.parameters(), { lr: 3e-3 }),
  data: new DataLoader(frames, { batchSize: 8, shuffle: true, workers: 1 }),
  loss: ({ input, target }) => {
    const logits = model.unroll(input, target); // all frames but the first
    return bceWithLogitsLoss(logits.slice([null, length - 1]), target);
  },
  epochs: Number(values.epochs),
  clipNorm: 1,
  checkpoint: { file: `${values.out}.checkpoint.safetensors` },
});
await trainer.run();
await saveModel(values.out, model);
console.log(`${trainer.step} steps over ${frames.length} windows; wrote ${values.out}`);
