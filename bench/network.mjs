// The ConvLSTM of a workload, with the weights that every side gets.
import { ConvLSTM, Tensor } from '../dist/index.js';
import { layersOf } from './workloads.mjs';

/**
 * @param {import('./workloads.mjs').Shape} shape
 * @param {string} precision
 * @param {Map<string, Float32Array>} data
 */
export function makeNetwork(shape, precision, data) {
  const { batch, time, height, width, kernel, inputDim, hiddenDim } = shape;
  const net = new ConvLSTM({
    inputDim,
    hiddenDim,
    kernelSize: kernel,
    numLayers: hiddenDim.length,
    batchFirst: true,
  });
  /** @type {Record<string, Tensor>} */
  const stateDict = {};
  for (const [k, { input, hidden }] of layersOf(shape).entries()) {
    const weight = [4 * hidden, input + hidden, kernel, kernel];
    stateDict[`cell_list.${k}.conv.weight`] = Tensor.from(data.get(`w${k}`), weight);
    stateDict[`cell_list.${k}.conv.bias`] = Tensor.from(data.get(`b${k}`), [4 * hidden]);
  }
  net.loadStateDict(stateDict);
  net.to({ precision: /** @type {'highest' | 'high' | 'medium'} */ (precision) });
  return { net, x: Tensor.from(data.get('x'), [batch, time, inputDim, height, width]) };
}
