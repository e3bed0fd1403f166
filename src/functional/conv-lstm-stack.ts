import { isRecorded } from '../autograd/tape.js';
import { backendOf, run } from '../backend.js';
import { Tensor } from '../tensor/tensor.js';
import { type ConvLstmLayer, convLstmCall } from './conv-lstm-call.js';

/** What `convLstmStack` returns: the last layer's output, and every layer's state. */
export interface ConvLstmStackOutputs {
  output: Tensor;
  states: { h: Tensor; c: Tensor }[];
}

/** The layer's tensors that may ask for a gradient. */
function recordable({ h0, c0, weight, bias, options }: ConvLstmLayer): (Tensor | null)[] {
  return [h0, c0, weight, bias, ...Object.values(options.peephole ?? {})];
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
  if (isRecorded([x, ...layers.flatMap(recordable)])) return null;
  let shape = x.shape;
  const calls = layers.map((layer) => {
    const call = convLstmCall(x, shape, layer);
    shape = call.outputShape;
    return call;
  });
  const { output, states } = run(x.device, (backend) =>
    backend.convLstmStack!(
      calls.map(({ operands, masks, argumentsOf }) => argumentsOf([...operands, ...masks], 0)),
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
