/** One function per operation. */
import './methods.js';

export type { Operand } from './binary.js';
export { add, div, equal, greater, maximum, minimum, mul, sub } from './binary.js';
export { concat, stack } from './concat.js';
export type { ConvLstmFunctionOptions, PeepholeWeights } from './conv-lstm-call.js';
export type { ConvLstmOutputs } from './conv-lstm-layer.js';
export { convLstm } from './conv-lstm-layer.js';
export type { Conv2dFunctionOptions } from './conv2d.js';
export { conv2d } from './conv2d.js';
export { dropout } from './dropout.js';
export { permute, transpose } from './permute.js';
export { pixelShuffle, pixelUnshuffle } from './pixel-shuffle.js';
export type { Axes, ReduceOptions } from './reduce.js';
export { max, mean, sum } from './reduce.js';
export { clone, flatten, reshape, squeeze, unsqueeze } from './reshape.js';
export type { Bounds } from './slice.js';
export { select, slice } from './slice.js';
export { toDevice } from './to-device.js';
export {
  abs,
  exp,
  leakyRelu,
  log,
  neg,
  relu,
  sigmoid,
  softplus,
  sqrt,
  square,
  tanh,
} from './unary.js';
