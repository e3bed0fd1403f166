// Prints how long a forward pass took and the longest the event loop stood still meanwhile.
import { ConvLSTM, Tensor } from 'convlstm';

const net = new ConvLSTM({
  inputDim: 16,
  hiddenDim: [64],
  kernelSize: 5,
  numLayers: 1,
  batchFirst: true,
});
const x = Tensor.ones([1, 40, 16, 64, 64]);
await x.data();
let last = performance.now();
let longest = 0;
const timer = setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
}, 1);
const begin = performance.now();
await net.forward(x).outputs[0].data();
const took = performance.now() - begin;
clearInterval(timer);
console.log(JSON.stringify({ took, longest }));
