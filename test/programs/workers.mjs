// workers.mjs COUNT: prints the checksums of worker threads that compute the same results at once.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { ConvLSTM, manualSeed, Tensor } from 'convlstm';

async function checksum() {
  manualSeed(5);
  const net = new ConvLSTM({
    inputDim: 2,
    hiddenDim: [17, 8],
    kernelSize: 3,
    numLayers: 2,
    batchFirst: true,
  });
  let states;
  let total = 0;
  for (let round = 0; round < 20; round++) {
    const result = net.forward(Tensor.ones([2, 3, 2, 9, 11]), states);
    states = result.states;
    for (const value of await result.outputs[0].data()) total += value;
  }
  return total;
}

if (isMainThread) {
  const workers = Array.from(
    { length: Number(process.argv[2]) },
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url));
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  const results = await Promise.all([checksum(), ...workers]);
  console.log(JSON.stringify(results));
} else {
  parentPort.postMessage(await checksum());
}
