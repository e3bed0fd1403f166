import type { Precision } from '../../binding.js';
import { isRecorded, record } from '../autograd/tape.js';
import { ConvLSTMError } from '../errors.js';
import { getFloat32Precision } from '../precision.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { deviceOf, run } from './run.js';

/** The peephole weights of Shi et al. 2015, all of shape [1, hidden, 1, 1] or [1, hidden, H, W]. */
export interface PeepholeWeights {
  wci: Tensor;
  wcf: Tensor;
  wco: Tensor;
}

/** Options of `convLstm`. */
export interface ConvLstmOptions {
  /** x and output are [B, T, C, H, W] when true, else [T, B, C, H, W]; default false. */
  batchFirst?: boolean | undefined;
  /** Default: no peepholes. */
  peephole?: PeepholeWeights | null | undefined;
  /** [B, hidden, H, W]: h of the step before is multiplied by it in the convolution; default: none. */
  recurrentMask?: Tensor | null | undefined;
  /**
   * How much of the old h, and of the old c, each step keeps, 0 to 1 (Krueger et al. 2017): of the shape
   * of the output, or of shape [] for all alike; default: nothing.
   */
  zoneoutH?: Tensor | null | undefined;
  zoneoutC?: Tensor | null | undefined;
  /**
   * What is saved for `backward()`: 1, the default, gates and c of every step; k > 1, c of every k-th
   * step, and the steps between are computed again.
   */
  checkpointEvery?: number | undefined;
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
  const { batchFirst = false, peephole, checkpointEvery = 1 } = options;
  const { recurrentMask = null, zoneoutH = null, zoneoutC = null } = options;
  const { wci = null, wcf = null, wco = null } = peephole ?? {};
  const device = deviceOf('convLstm', {
    ...{ input: x, weight, bias, h0, c0, wci, wcf, wco },
    ...{ recurrentMask, zoneoutH, zoneoutC },
  });
  if (!Number.isSafeInteger(checkpointEvery) || checkpointEvery < 1) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `convLstm: checkpointEvery: expected a positive integer, got ${checkpointEvery}`,
    );
  }

  const [rows, weightChannels, kernelHeight, kernelWidth] = weight.shape;
  const hiddenDim = (rows ?? 0) / 4;
  const inputDim = (weightChannels ?? 0) - hiddenDim;
  if (weight.shape.length !== 4 || weight.size === 0 || rows! % 4 !== 0 || inputDim < 1) {
    refuse('weight', '[4 * hidden, input + hidden, kh, kw]', weight);
  }
  if (x.shape.length !== 5 || x.size === 0 || x.shape[2] !== inputDim) {
    refuse('input', `[${batchFirst ? 'B, T' : 'T, B'}, ${inputDim}, H, W]`, x);
  }
  const [batch, time] = (batchFirst ? x.shape : [x.shape[1], x.shape[0]]) as [number, number];
  const [height, width] = x.shape.slice(3) as [number, number];
  const state = [batch, hiddenDim, height, width];
  if (h0) expectShape('h0', h0, state);
  if (c0) expectShape('c0', c0, state);
  if (bias) expectShape('bias', bias, [rows!]);

  let kind: 'none' | 'channel' | 'spatial' = 'none';
  if (peephole) {
    const channel = [1, hiddenDim, 1, 1];
    kind = sameShape(peephole.wci.shape, channel) ? 'channel' : 'spatial';
    const expected = kind === 'channel' ? channel : [1, hiddenDim, height, width];
    expectShape('wci', peephole.wci, expected);
    expectShape('wcf', peephole.wcf, expected);
    expectShape('wco', peephole.wco, expected);
  }

  const outputShape = [...x.shape.slice(0, 2), hiddenDim, height, width];
  if (recurrentMask) expectShape('recurrentMask', recurrentMask, state);
  if (zoneoutH && zoneoutH.shape.length > 0) expectShape('zoneoutH', zoneoutH, outputShape);
  if (zoneoutC && zoneoutC.shape.length > 0) expectShape('zoneoutC', zoneoutC, outputShape);

  const precision = options.precision ?? getFloat32Precision();
  // One literal: spreading objects into another costs as much as the rest of a small call.
  const argumentsOf = (tensors: readonly (Tensor | null)[], saveEvery: number) => ({
    batch,
    time,
    timeMajor: !batchFirst,
    inputDim,
    hiddenDim,
    height,
    width,
    kernelHeight: kernelHeight!,
    kernelWidth: kernelWidth!,
    x: tensors[0]!.storage,
    h0: tensors[1]?.storage ?? null,
    c0: tensors[2]?.storage ?? null,
    weight: tensors[3]!.storage,
    bias: tensors[4]?.storage ?? null,
    peephole: kind,
    wci: tensors[5]?.storage ?? null,
    wcf: tensors[6]?.storage ?? null,
    wco: tensors[7]?.storage ?? null,
    recurrentMask: tensors[8]?.storage ?? null,
    zoneoutH: tensors[9]?.storage ?? null,
    zoneoutC: tensors[10]?.storage ?? null,
    precision,
    saveEvery,
  });
  const operands = [x, h0, c0, weight, bias, wci, wcf, wco] as const;
  const masks = [recurrentMask, zoneoutH, zoneoutC] as const;
  const recorded = isRecorded(operands);
  const result = run(device, (backend) =>
    backend.convLstm(argumentsOf([...operands, ...masks], recorded ? checkpointEvery : 0)),
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
            ...argumentsOf(kept, checkpointEvery),
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

function expectShape(name: string, tensor: Tensor, expected: readonly number[]): void {
  if (!sameShape(tensor.shape, expected)) refuse(name, formatShape(expected), tensor);
}

function refuse(name: string, expected: string, got: Tensor): never {
  throw new ConvLSTMError(
    'ERR_SHAPE',
    `${name}: expected ${expected}, got ${formatShape(got.shape)}`,
  );
}
