// This package's training step, by the bench's protocol. The variant is the precision. Timed is what
// a user's loop does: zeroGrad, forward, the mean square of the output, backward, Adam's step, and
// the loss awaited. The output that `load` leaves is the first step's gradients of all weights and
// biases, divided by the largest, for a comparison that does not depend on their scale.
import { readFileSync } from 'node:fs';
import { Adam, backendInfo, ConvLSTM, Tensor } from '../dist/index.js';
import { serve } from './peers/protocol.mjs';
import { layersOf } from './workloads.mjs';

const version = `convlstm ${backendInfo().version} (${backendInfo().cpu.isa})`;

const peakMiB = () =>
  Math.round(Number(readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s*(\d+)/)?.[1]) / 1024);

await serve(version, async (shape, variant, data) => {
  const { batch, time, height, width, kernel, inputDim, hiddenDim } = shape;
  const net = new ConvLSTM({
    inputDim,
    hiddenDim,
    kernelSize: kernel,
    numLayers: hiddenDim.length,
    batchFirst: true,
  });
  const stateDict = {};
  for (const [k, { input, hidden }] of layersOf(shape).entries()) {
    const weight = [4 * hidden, input + hidden, kernel, kernel];
    stateDict[`cell_list.${k}.conv.weight`] = Tensor.from(data.get(`w${k}`), weight);
    stateDict[`cell_list.${k}.conv.bias`] = Tensor.from(data.get(`b${k}`), [4 * hidden]);
  }
  net.loadStateDict(stateDict);
  net.to({ precision: /** @type {'highest' | 'high' | 'medium'} */ (variant) });
  const x = Tensor.from(data.get('x'), [batch, time, inputDim, height, width]);
  const parameters = [...net.parameters()];
  const adam = new Adam(parameters, { lr: 1e-4 });

  const step = async () => {
    adam.zeroGrad();
    const { outputs, states } = net.forward(x);
    const square = outputs[0].square();
    const loss = square.mean();
    loss.backward();
    adam.step();
    await loss.data();
    for (const tensor of [loss, square, ...outputs]) tensor.dispose();
    for (const { h, c } of states) {
      h.dispose();
      c.dispose();
    }
  };

  let steps = 0;
  return {
    run: async () => {
      await step();
      if (steps++ > 0) return new Float32Array();
      const gradients = await Promise.all(parameters.map(({ grad }) => grad.data()));
      const all = new Float32Array(gradients.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const values of gradients) {
        all.set(values, at);
        at += values.length;
      }
      const largest = all.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      return all.map((value) => value / largest);
    },
    note: () => '',
    peak: peakMiB,
    release: () => {
      for (const tensor of [x, ...parameters]) tensor.dispose();
    },
  };
});
