// long-sequence.mjs EVERY: computes gradients through 1,000 steps of a layer that saves c at every
// EVERY-th step. Prints a digest of their bits and the peak resident size, or the error's code if memory
// runs out.
import { createHash } from 'node:crypto';
import { ConvLSTM, manualSeed, Tensor } from 'convlstm';

manualSeed(1);
const options = { inputDim: 1, hiddenDim: 16, kernelSize: 3, batchFirst: true };
const net = new ConvLSTM({ ...options, saveEvery: Number(process.argv[2]) });
const x = Tensor.rand([1, 1000, 1, 32, 32]);
try {
  const { outputs, states } = net.forward(x);
  const loss = outputs[0].mean().add(states[0].c.mean());
  for (const tensor of [...outputs, states[0].h, states[0].c]) tensor.dispose();
  loss.backward();
  const digest = createHash('sha256');
  for (const { grad } of net.parameters()) digest.update(await grad.data());
  const peakBytes = 1024 * process.resourceUsage().maxRSS;
  console.log(JSON.stringify({ digest: digest.digest('hex'), peakBytes }));
} catch ({ code }) {
  console.log(JSON.stringify({ code }));
}
