// Truncated backpropagation through time: a sequence too long to differentiate as a whole is cut into
// windows. detach() passes the state from window to window without its gradient. Memory is that of one
// window for any length of the sequence.
//
//   node examples/truncated-bptt/train.mjs --frames 1000
import { parseArgs } from 'node:util';
import {
  Adam,
  bceWithLogitsLoss,
  Conv2d,
  ConvLSTM,
  clipGradNorm,
  init,
  Module,
  MovingMnist,
  manualSeed,
  Tensor,
} from 'convlstm';

const { values } = parseArgs({ options: { frames: { type: 'string', default: '1000' } } });
const kFrames = Number(values.frames);
const kWindow = 10;
const kSize = 16;

class Net extends Module {
  cells = new ConvLSTM({ inputDim: 1, hiddenDim: 16, kernelSize: 5, batchFirst: true });
  head = new Conv2d({ inChannels: 16, outChannels: 1, kernelSize: 1 });

  /** Logits of the frame after each frame of x, and the last states. */
  forward(x, states) {
    const result = this.cells.forward(x, states);
    const [batch, time, ...frame] = x.shape;
    const flat = result.output.flatten(0, 1);
    const logits = this.head.forward(flat).reshape([batch, time, ...frame]);
    for (const tensor of [flat, result.output]) tensor.dispose();
    return { logits, states: result.states };
  }
}

manualSeed(3);
const net = init.forgetBias(new Net(), 1);
for (const { conv } of net.cells.cells) init.xavierUniform(conv.weight, { gain: 2 });
const adam = new Adam(net.parameters(), { lr: 1e-2 });
// An endless video of a moving, bouncing square.
const square = { data: new Uint8Array(25).fill(255), shape: [1, 5, 5] };
const options = { frames: kFrames + 1, size: kSize, numDigits: 1, speed: [1, 2], seed: 1 };
const video = Tensor.from(new MovingMnist(square, options).batch(4));

let states = null;
const losses = [];
for (let begin = 0; begin + kWindow <= kFrames; begin += kWindow) {
  const x = video.slice([null, begin], [null, begin + kWindow]);
  const next = video.slice([null, begin + 1], [null, begin + kWindow + 1]);
  const result = net.forward(x, states);
  const loss = bceWithLogitsLoss(result.logits, next);
  loss.backward();
  clipGradNorm(net.parameters(), 1).dispose();
  adam.step();
  adam.zeroGrad();
  losses.push(await loss.item());

  // The next window starts from these values; backpropagation stops here.
  const detached = result.states.map(({ h, c }) => ({ h: h.detach(), c: c.detach() }));
  for (const { h, c } of [...result.states, ...(states ?? [])]) {
    h.dispose();
    c.dispose();
  }
  for (const tensor of [x, next, result.logits, loss]) tensor.dispose();
  states = detached;
}
const mean = (part) => part.reduce((sum, value) => sum + value, 0) / part.length;
console.log(`${losses.length} windows of ${kWindow} frames, the state carried on`);
console.log(`loss of the first five ${mean(losses.slice(0, 5)).toFixed(3)}`);
console.log(`loss of the last five ${mean(losses.slice(-5)).toFixed(3)}`);
