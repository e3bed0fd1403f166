import type { Shape, Storage } from '../../binding.js';
import { isRecorded, recordResults } from '../autograd/tape.js';
import { run } from '../backend.js';
import { checkNames } from '../options.js';
import { expectTensor } from '../tensor/operands.js';
import { Tensor } from '../tensor/tensor.js';
import { type ConvLstmFunctionOptions, convLstmCall } from './conv-lstm-call.js';

/** What `convLstm` returns. */
export interface ConvLstmOutputs {
  /** h of every step: [B, T, hidden, H, W], time first unless `batchFirst`. */
  output: Tensor;
  /** h after the last step: [B, hidden, H, W]. */
  h: Tensor;
  /** c after the last step: [B, hidden, H, W]. */
  c: Tensor;
}

/**
 * One ConvLSTM layer over a whole sequence (Shi et al. 2015). The convolution keeps height and width;
 * an even kernel has one more zero of padding below and to the right.
 *
 * @param x [T, B, Cin, H, W], or [B, T, Cin, H, W] with `batchFirst`
 * @param h0 [B, hidden, H, W], or null for zeros
 * @param c0 [B, hidden, H, W], or null for zeros
 * @param weight [4 * hidden, Cin + hidden, kh, kw], gates packed i, f, o, g
 * @param bias [4 * hidden], or null for none
 * @throws ConvLSTMError ERR_SHAPE for shapes that do not fit, ERR_DEVICE for several devices, ERR_OPTION
 */
export function convLstm(
  x: Tensor,
  h0: Tensor | null,
  c0: Tensor | null,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvLstmFunctionOptions = {},
): ConvLstmOutputs {
  expectTensor('convLstm: input', x);
  checkNames('convLstm', options, {
    batchFirst: true,
    peephole: true,
    recurrentMask: true,
    zoneoutH: true,
    zoneoutC: true,
    saveEvery: true,
    precision: true,
  });
  const layer = { h0, c0, weight, bias, options };
  const call = convLstmCall(x, x.shape, layer);
  const { device, state, outputShape, tensors, saveEvery, argumentsOf } = call;
  const { recurrentMask, zoneoutH, zoneoutC, ...operands } = tensors;
  const recorded = isRecorded(operands);
  const result = run(device, (backend) =>
    backend.convLstm(argumentsOf(tensors, recorded ? saveEvery : 0)),
  );
  const output = Tensor.fromStorage(result.output, outputShape, device);
  const h = Tensor.fromStorage(result.h, state, device);
  const c = Tensor.fromStorage(result.c, state, device);
  if (recorded) {
    using saved = Tensor.fromStorage(result.saved!, [result.saved!.length], device);
    const [inputShape, weightShape] = [x.shape, weight.shape];
    const [biasShape, peepholeShape] = [bias?.shape, operands.wci?.shape];
    recordResults(
      operands,
      { output, h, c },
      { ...tensors, output, saved },
      (grads, kept, wants) => {
        const found = run(device, (backend) =>
          backend.convLstmBackward({
            ...argumentsOf(kept, saveEvery),
            output: kept.output.storage,
            saved: kept.saved.storage,
            outputGrad: grads.output?.storage ?? null,
            hGrad: grads.h?.storage ?? null,
            cGrad: grads.c?.storage ?? null,
            wants: {
              x: wants.input,
              h0: wants.h0,
              c0: wants.c0,
              weight: wants.weight,
              bias: wants.bias,
              peephole: wants.wci || wants.wcf || wants.wco,
            },
          }),
        );
        const tensorOf = (storage: Storage | null, shape: Shape | undefined) =>
          storage && Tensor.fromStorage(storage, shape!, device);
        return {
          input: tensorOf(found.x, inputShape),
          h0: tensorOf(found.h0, state),
          c0: tensorOf(found.c0, state),
          weight: tensorOf(found.weight, weightShape),
          bias: tensorOf(found.bias, biasShape),
          wci: tensorOf(found.wci, peepholeShape),
          wcf: tensorOf(found.wcf, peepholeShape),
          wco: tensorOf(found.wco, peepholeShape),
        };
      },
    );
  }
  return { output, h, c };
}
