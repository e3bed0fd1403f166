// leak.mjs forward|dispose|stream|train COUNT: repeats one thing COUNT times after warming up, and prints
// the growth of resident size and of GPU memory. Run with --expose-gc.
import {
  Adam,
  backendInfo,
  ConvLSTM,
  DataLoader,
  emptyCache,
  mseLoss,
  Tensor,
  Trainer,
} from 'convlstm';

const [what, count] = [process.argv[2], Number(process.argv[3])];
const net = new ConvLSTM({
  inputDim: 1,
  hiddenDim: [4],
  kernelSize: 3,
  numLayers: 1,
  batchFirst: true,
});
const sequence = Tensor.ones([1, 4, 1, 16, 16]);
const frame = Tensor.ones([1, 1, 16, 16]);
const stream = net.stream();

const samples = {
  length: 1000,
  get: () => ({ input: { data: new Float32Array(4 * 16 * 16).fill(1), shape: [4, 1, 16, 16] } }),
};
const trainer = new Trainer({
  model: net,
  optimizer: new Adam(net.parameters()),
  data: new DataLoader(samples, { batchSize: 1 }),
  // Disposes nothing itself.
  loss({ input }) {
    const { outputs } = net.forward(input);
    return mseLoss(outputs[0].sigmoid(), Tensor.zeros(outputs[0].shape));
  },
  epochs: 1000,
  reportEvery: 1,
  clipNorm: 1,
});
const steps = trainer[Symbol.asyncIterator]();

const actions = {
  // Leaves its tensors to the garbage collector.
  async forward() {
    await net.forward(sequence).outputs[0].data();
  },
  async dispose() {
    const { outputs, states } = net.forward(sequence);
    await outputs[0].data();
    for (const tensor of [...outputs, ...states.flatMap(({ h, c }) => [h, c])]) tensor.dispose();
  },
  async stream() {
    await stream.step(frame).data();
  },
  async train() {
    await steps.next();
  },
};

async function repeat(times) {
  for (let done = 0; done < times; done++) await actions[what]();
}

/** Resident bytes after garbage collection and finalizers, without cached memory. */
async function settledBytes() {
  for (let round = 0; round < 5; round++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  emptyCache();
  return process.memoryUsage.rss();
}

/** Bytes of tensors on GPUs. */
const onGpus = () => backendInfo().cuda.devices.reduce((sum, { liveBytes }) => sum + liveBytes, 0);

await repeat(Math.ceil(count / 5));
const before = await settledBytes();
const onGpusBefore = onGpus();
await repeat(count);
const after = await settledBytes();
const growthOnGpus = onGpus() - onGpusBefore;
console.log(JSON.stringify({ growth: after - before, growthOnGpus, before, after }));
