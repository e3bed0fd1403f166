import type { Precision } from '../../binding.js';
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
  const { batchFirst = false, peephole } = options;
  const { wci = null, wcf = null, wco = null } = peephole ?? {};
  const device = deviceOf('convLstm', { input: x, weight, bias, h0, c0, wci, wcf, wco });

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

  const result = run(device, (backend) =>
    backend.convLstm({
      batch,
      time,
      timeMajor: !batchFirst,
      inputDim,
      hiddenDim,
      height,
      width,
      kernelHeight: kernelHeight!,
      kernelWidth: kernelWidth!,
      x: x.storage,
      weight: weight.storage,
      bias: bias?.storage ?? null,
      peephole: kind,
      wci: wci?.storage ?? null,
      wcf: wcf?.storage ?? null,
      wco: wco?.storage ?? null,
      h0: h0?.storage ?? null,
      c0: c0?.storage ?? null,
      recurrentMask: null,
      zoneoutH: null,
      zoneoutC: null,
      precision: options.precision ?? getFloat32Precision(),
      saveEvery: 0,
    }),
  );
  return {
    output: Tensor.fromStorage(
      result.output,
      [...x.shape.slice(0, 2), hiddenDim, height, width],
      device,
    ),
    h: Tensor.fromStorage(result.h, state, device),
    c: Tensor.fromStorage(result.c, state, device),
  };
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
