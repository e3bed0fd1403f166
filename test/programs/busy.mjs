// busy.mjs exit|worker-exit|throw|reject|return: starts seconds of work on the native thread, and ends
// during it.
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker } from 'node:worker_threads';
import { ConvLSTM, Tensor } from 'convlstm';

const how = process.argv[2];
// Node waits for the work if the program returns.
const steps = how === 'return' ? 4 : 40;

function startWork() {
  const net = new ConvLSTM({
    inputDim: 32,
    hiddenDim: [64, 64],
    kernelSize: 5,
    numLayers: 2,
    batchFirst: true,
  });
  return net.forward(Tensor.ones([2, steps, 32, 64, 64])).outputs[0];
}

if (how === 'worker-exit' && isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: [how] });
  worker.on('exit', (code) => {
    process.exitCode = code;
  });
} else {
  const output = startWork();
  const pending = output.data();
  if (how !== 'return') await sleep(50);
  if (how === 'exit' || how === 'worker-exit') process.exit(7);
  if (how === 'throw') {
    setTimeout(() => {
      throw new Error('thrown during a call');
    });
    await pending;
  }
  if (how === 'reject') await Promise.reject(new Error('rejected during a call'));
  if (how === 'return') pending.catch(() => {});
}
