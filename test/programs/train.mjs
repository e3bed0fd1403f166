// train.mjs FILE STEPS [json]: trains with a checkpoint in FILE after every step, resumes from FILE if it
// exists, and prints each step.
import { existsSync } from 'node:fs';
import {
  Adam,
  DataLoader,
  functional,
  Module,
  manualSeed,
  mseLoss,
  Parameter,
  Tensor,
  Trainer,
} from 'convlstm';

const [file, steps] = [process.argv[2], Number(process.argv[3])];

/** Large, so that writing a checkpoint takes a while. */
class Scale extends Module {
  weight = new Parameter(Tensor.rand([400, 500]));

  forward(x) {
    return functional.dropout(x.mul(this.weight), 0.3);
  }
}

manualSeed(4);
const model = new Scale();
const sample = (index) => ({
  input: { data: Float32Array.from({ length: 500 }, (_, n) => (n + index) % 7), shape: [1, 500] },
  target: { data: Float32Array.of(index), shape: [1, 1] },
});
const trainer = new Trainer({
  model,
  optimizer: new Adam(model.parameters(), { lr: 0.01 }),
  data: new DataLoader({ length: 2 * steps, get: sample }, { batchSize: 2, shuffle: true }),
  loss: ({ input, target }) =>
    mseLoss(model.forward(input), target.add(Tensor.zeros([2, 400, 500]))),
  reportEvery: 1,
  checkpoint: { file, every: 1 },
});
if (existsSync(file)) await trainer.resume(file);
console.log(trainer.step);
for await (const { step } of trainer) console.log(step);
