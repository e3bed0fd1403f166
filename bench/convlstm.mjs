// This package, imported as by its users, by the bench's protocol; the variant is the precision. The
// time covers `forward` and an awaited `data()`: tensors on the device to a row-major Float32Array.
import { backendInfo, Conv2d, noGrad, Tensor } from '../dist/index.js';
import { makeNetwork } from './network.mjs';
import { serve } from './peers/protocol.mjs';

const version = `convlstm ${backendInfo().version} (${backendInfo().cpu.isa})`;

/** @type {import('./peers/protocol.mjs').Load} */
async function convLstm(shape, variant, data) {
  const { batch, height, width, hiddenDim } = shape;
  const { net, x } = makeNetwork(shape, variant, data);
  net.eval();
  let states = hiddenDim.map((hidden, k) =>
    data.has(`h${k}`)
      ? {
          h: Tensor.from(data.get(`h${k}`), [batch, hidden, height, width]),
          c: Tensor.from(data.get(`c${k}`), [batch, hidden, height, width]),
        }
      : null,
  );
  const chosenBefore = new Set(backendInfo().kernels);
  return {
    run: async () => {
      let { outputs, states: last } = noGrad(() => net.forward(x, states));
      const values = await outputs[0].data();
      outputs[0].dispose();
      if (data.has('h0')) [states, last] = [last, states]; // as in a stream
      for (const state of last) {
        state?.h.dispose();
        state?.c.dispose();
      }
      return values;
    },
    note: () =>
      backendInfo()
        .kernels.filter((choice) => !chosenBefore.has(choice))
        .join('; '),
    release: () => {
      for (const tensor of [x, ...net.parameters()]) tensor.dispose();
      for (const state of states) {
        state?.h.dispose();
        state?.c.dispose();
      }
    },
  };
}

/** @type {import('./peers/protocol.mjs').Load} */
async function conv2d({ batch, height, width, kernel, inputDim, hiddenDim }, precision, data) {
  const options = { inChannels: inputDim, outChannels: hiddenDim[0], kernelSize: kernel };
  const layer = new Conv2d({ ...options, padding: (kernel - 1) / 2 });
  layer.loadStateDict({
    weight: Tensor.from(data.get('w0'), layer.weight.shape),
    bias: Tensor.from(data.get('b0'), layer.bias.shape),
  });
  layer.to({ precision: /** @type {'highest' | 'high' | 'medium'} */ (precision) });
  const x = Tensor.from(data.get('x'), [batch, inputDim, height, width]);
  return {
    run: async () => {
      const y = noGrad(() => layer.forward(x));
      const values = await y.data();
      y.dispose();
      return values;
    },
    note: () => '',
    release: () => {
      for (const tensor of [x, ...layer.parameters()]) tensor.dispose();
    },
  };
}

await serve(version, convLstm, conv2d);
