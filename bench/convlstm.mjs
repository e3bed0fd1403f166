// This package, as its users import it, by the bench's protocol. The variant is the precision. Timed
// is `forward` with `data()` awaited: from tensors on the device to a row-major Float32Array.
import { backendInfo, ConvLSTM, noGrad, Tensor } from '../dist/index.js';
import { serve } from './peers/protocol.mjs';
import { layersOf } from './workloads.mjs';

const version = `convlstm ${backendInfo().version} (${backendInfo().cpu.isa})`;

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
  net.eval().to({ precision: /** @type {'highest' | 'high' | 'medium'} */ (variant) });
  const x = Tensor.from(data.get('x'), [batch, time, inputDim, height, width]);
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
});
