// terminate.mjs COUNT: terminates workers during a call, one after another, at different moments; then
// computes on its own thread, to show that the native thread still works.
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { ConvLSTM, Tensor } from 'convlstm';

const options = {
  inputDim: 4,
  hiddenDim: [16],
  kernelSize: 3,
  numLayers: 1,
  batchFirst: true,
};

if (isMainThread) {
  const count = Number(process.argv[2]);
  for (let round = 0; round < count; round++) {
    const worker = new Worker(new URL(import.meta.url));
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await sleep(round % 7);
    await worker.terminate();
  }
  const net = new ConvLSTM(options);
  const y = await net.forward(Tensor.ones([1, 2, 4, 8, 8])).outputs[0].data();
  console.log(JSON.stringify({ terminated: count, finite: y.every(Number.isFinite) }));
} else {
  const net = new ConvLSTM(options);
  const stream = net.stream();
  parentPort.postMessage('computing');
  for (;;) {
    const output = net.forward(Tensor.ones([1, 6, 4, 32, 32])).outputs[0];
    const steps = [stream.step(Tensor.ones([1, 4, 16, 16])).data(), output.data()];
    if (Math.random() < 0.3) output.dataSync();
    await Promise.all(steps);
  }
}
