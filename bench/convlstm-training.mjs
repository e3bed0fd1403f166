// This package's training step by the bench's protocol; the variant is the precision. The time covers
// a user's loop: zeroGrad, forward, mean square of the output, backward, Adam's step, loss awaited.
// The output after `load` is the first step's gradients of all weights and biases, divided by the
// largest, so that the comparison is relative.
import { Adam, backendInfo, emptyCache } from '../dist/index.js';
import { makeNetwork } from './network.mjs';
import { serve } from './peers/protocol.mjs';
import { trainingStep } from './training-step.mjs';

const version = `convlstm ${backendInfo().version} (${backendInfo().cpu.isa})`;

await serve(version, async (shape, variant, data) => {
  const { net, x } = makeNetwork(shape, variant, data);
  const parameters = [...net.parameters()];
  const adam = new Adam(parameters, { lr: 1e-4 });

  let steps = 0;
  return {
    run: async () => {
      await trainingStep(net, x, adam);
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
    trim: emptyCache,
    release: () => {
      for (const tensor of [x, ...parameters]) tensor.dispose();
    },
  };
});
