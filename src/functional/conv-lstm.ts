import type { Precision } from '../../binding.js';
import { isRecorded, record } from '../autograd/tape.js';
import { run } from '../backend.js';
import { checkNames } from '../options.js';
import { Tensor } from '../tensor/tensor.js';
import { convLstmCall } from './conv-lstm-call.js';
import { expectTensor } from './run.js';

/** The peephole weights of Shi et al. 2015, all of shape [1, hidden, 1, 1] or [1, hidden, H, W]. */
export interface PeepholeWeights {
  /** What i sees of c of the step before. */
  wci: Tensor;
  /** What f sees of it. */
  wcf: Tensor;
  /** What o sees of the new c. */
  wco: Tensor;
}

/** Options of `convLstm`. */
export interface ConvLstmOptions {
  /** x and output are [B, T, C, H, W] when true, else [T, B, C, H, W]; default false. */
  batchFirst?: boolean | undefined;
  /** Default: no peepholes. */
  peephole?: PeepholeWeights | null | undefined;
  /** What h of the step before is multiplied by in the convolution: [B, hidden, H, W]; default: none. */
  recurrentMask?: Tensor | null | undefined;
  /**
   * How much of the old h each step keeps, 0 to 1 (Krueger et al. 2017): of the shape of the output, or
   * of shape [] for all alike; default: nothing.
   */
  zoneoutH?: Tensor | null | undefined;
  /** The same of the old c. */
  zoneoutC?: Tensor | null | undefined;
  /**
   * What is saved for `backward()`: 1, the default, gates and c of every step; k > 1, c of every k-th
   * step, and the steps between are computed again.
   */
  saveEvery?: number | undefined;
  /** Default: that of the process. */
  precision?: Precision | undefined;
}

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
 * an even kernel has its extra zero below and to the right.
 *
 * @param x [T, B, Cin, H, W], or [B, T, Cin, H, W] with `batchFirst`
 * @param h0 [B, hidden, H, W], or null for zeros
 * @param c0 the same
 * @param weight [4 * hidden, Cin + hidden, kh, kw], gates packed i, f, o, g
 * @param bias [4 * hidden], or null for none
 * @throws ConvLSTMError ERR_SHAPE when shapes do not fit, ERR_DEVICE when devices differ
 */
export function convLstm(
  x: Tensor,
  h0: Tensor | null,
  c0: Tensor | null,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvLstmOptions = {},
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
  const { device, state, outputShape, operands, masks, saveEvery, argumentsOf } = call;
  const recorded = isRecorded(operands);
  const result = run(device, (backend) =>
    backend.convLstm(argumentsOf([...operands, ...masks], recorded ? saveEvery : 0)),
  );
  const output = Tensor.fromStorage(result.output, outputShape, device);
  const h = Tensor.fromStorage(result.h, state, device);
  const c = Tensor.fromStorage(result.c, state, device);
  if (recorded) {
    using saved = Tensor.fromStorage(result.saved!, [result.saved!.length], device);
    const shapes = operands.map((operand) => operand?.shape);
    record(
      operands,
      [output, h, c],
      [...operands, ...masks, output, saved],
      ([outputGrad, hGrad, cGrad], kept, wants) => {
        const grads = run(device, (backend) =>
          backend.convLstmBackward({
            ...argumentsOf(kept, saveEvery),
            output: kept[11]!.storage,
            saved: kept[12]!.storage,
            outputGrad: outputGrad?.storage ?? null,
            hGrad: hGrad?.storage ?? null,
            cGrad: cGrad?.storage ?? null,
            wants: {
              x: wants[0]!,
              h0: wants[1]!,
              c0: wants[2]!,
              weight: wants[3]!,
              bias: wants[4]!,
              peephole: wants[5]! || wants[6]! || wants[7]!,
            },
          }),
        );
        const { weight, bias, wci, wcf, wco } = grads;
        return [grads.x, grads.h0, grads.c0, weight, bias, wci, wcf, wco].map(
          (storage, operand) => storage && Tensor.fromStorage(storage, shapes[operand]!, device),
        );
      },
    );
  }
  return { output, h, c };
}
