import { isRecorded } from '../autograd/tape.js';
import { backendOf, run } from '../backend.js';
import { Tensor } from '../tensor/tensor.js';
import { type ConvLstmLayer, convLstmCall } from './conv-lstm-call.js';

/** Results of `convLstmStack`: the last layer's output, and every layer's state. */
export interface ConvLstmStackOutputs {
  output: Tensor;
  states: { h: Tensor; c: Tensor }[];
}

/**
 * Runs stacked layers over a whole sequence without holding the sequences between them. Null if the
 * backend has no such operation, or if the layers have to be recorded for `backward()`.
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
    backend.convLstmStack!(
      calls.map(({ tensors, argumentsOf }) => argumentsOf(tensors, 0)),
      x.storage,
    ),
  );
  return {
    output: Tensor.fromStorage(output, shape, x.device),
    states: states.map(({ h, c }, layer) => ({
      h: Tensor.fromStorage(h, calls[layer]!.state, x.device),
      c: Tensor.fromStorage(c, calls[layer]!.state, x.device),
    })),
  };
}
