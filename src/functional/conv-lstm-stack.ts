import { isRecorded } from '../autograd/tape.js';
import { backendOf, run } from '../backend.js';
import { Tensor } from '../tensor/tensor.js';
import { type ConvLstmLayer, convLstmCall } from './conv-lstm-call.js';

/** What `convLstmStack` returns: the last layer's output, and every layer's state. */
export interface ConvLstmStackOutputs {
  output: Tensor;
  states: { h: Tensor; c: Tensor }[];
}

/**
 * Layers one on another over a whole sequence, where the sequences between them need not be held: the
 * backend has an operation for that, and nothing is recorded for `backward()`. Null elsewhere.
 *
 * @throws ConvLSTMError as `convLstm`
 */
export function convLstmStack(
  x: Tensor,
  layers: readonly ConvLstmLayer[],
): ConvLstmStackOutputs | null {
  if (!backendOf(x.device).convLstmStack) return null;
  const recorded = layers.some(({ h0, c0, weight, bias, options: { peephole } }) =>
    isRecorded({ x, h0, c0, weight, bias, ...peephole }),
  );
  if (recorded) return null;
  let shape = x.shape;
  const calls = layers.map((layer) => {
    const call = convLstmCall(x, shape, layer);
    shape = call.outputShape;
    return call;
  });
  const { output, states } = run(x.device, (backend) =>
    backend.convLstmStack!(calls.map(({ tensors, argumentsOf }) => argumentsOf(tensors, 0))),
  );
  return {
    output: Tensor.fromStorage(output, shape, x.device),
    states: states.map(({ h, c }, layer) => ({
      h: Tensor.fromStorage(h, calls[layer]!.state, x.device),
      c: Tensor.fromStorage(c, calls[layer]!.state, x.device),
    })),
  };
}
