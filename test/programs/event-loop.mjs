// Prints how often the event loop turns before the result of a forward pass arrives.
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
let turns = 0;
let arrived = false;
function turn() {
  if (arrived) return;
  turns += 1;
  setImmediate(turn);
}
setImmediate(turn);
await net.forward(x).outputs[0].data();
arrived = true;
console.log(turns);
