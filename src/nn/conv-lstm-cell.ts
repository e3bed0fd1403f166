import type { Pair, Shape } from '../../binding.js';
import type { ConvLstmLayer } from '../functional/conv-lstm-call.js';
import { bernoulli, dropoutMask } from '../functional/dropout.js';
import { convLstm, type PeepholeWeights, reshape } from '../functional/index.js';
import {
  checkCount,
  checkFlag,
  checkNames,
  checkProbability,
  checkSize,
  refuseOption,
  type Size,
} from '../options.js';
import { expectTensor } from '../tensor/operands.js';
import { refuseShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { initialWeights } from './conv2d.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { RecurrentCell, type SequenceResult } from './recurrent-cell.js';

/** The state of one layer. */
export interface State {
  /** The hidden state, which is the layer's output: [B, hidden, H, W]. */
  h: Tensor;
  /** The cell state: [B, hidden, H, W]. */
  c: Tensor;
}

/** Kind of peephole weights; see `ConvLSTMCellOptions`. */
export type Peephole = false | 'channel' | 'spatial';

/** Options of `ConvLSTMCell`. */
export interface ConvLSTMCellOptions {
  /** Channels of the input. */
  inputDim: number;
  /** Channels of h and c. */
  hiddenDim: number;
  /** 3, or [height, width]; an even size has its extra zero below or to the right. */
  kernelSize: Size;
  /** Default true. */
  bias?: boolean | undefined;
  /**
   * Peepholes of Shi et al. 2015: gates i and f also see the previous c, gate o the new c, through one
   * weight per channel, or per channel and pixel. Default false.
   */
  peephole?: Peephole | undefined;
  /** [height, width] of the frames; required with `peephole: 'spatial'`, refused without. */
  imageSize?: Size | undefined;
  /**
   * Probability p with which the convolution sees an element of h as 0 while training, the others
   * scaled by 1 / (1 - p). One mask per call serves all its steps (Gal and Ghahramani 2016). Default 0.
   */
  recurrentDropout?: number | undefined;
  /**
   * Probability with which an element of h or c keeps its previous value at a step while training; in
   * `eval()` h and c are the mean of old and new in this proportion (Krueger et al. 2017). A number
   * stands for both. Default 0.
   */
  zoneout?: number | Zoneout | undefined;
  /**
   * Steps between the states that a forward pass saves for `backward()`. 1, the default, saves gates and
   * c of every step; k > 1 saves c of every k-th step and recomputes the others, for the same gradients.
   * `docs/training.md` counts the bytes.
   */
  saveEvery?: number | undefined;
}

/** Probabilities of zoneout. */
export interface Zoneout {
  /** Probability for an element of h; default 0. */
  h?: number | undefined;
  /** Probability for an element of c; default 0. */
  c?: number | undefined;
}

/** The convolution over [x, h]: state-dict keys `conv.weight` and `conv.bias`. */
class GateConvolution extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: readonly number[],
    bias: boolean,
  ) {
    super();
    const shape = [outChannels, inChannels, ...kernelSize];
    const fanIn = kernelSize.reduce((product, size) => product * size, inChannels);
    const gates = { gates: 'ifog' };
    this.weight = new Parameter(initialWeights(shape, fanIn), gates);
    this.bias = bias ? new Parameter(initialWeights([outChannels], fanIn), gates) : null;
  }
}

function checkPeephole(peephole: Peephole, imageSize: Size | undefined): readonly number[] | null {
  if (peephole !== false && peephole !== 'channel' && peephole !== 'spatial') {
    refuseOption('peephole', `false, 'channel' or 'spatial'`, peephole);
  }
  if (peephole === 'spatial') {
    if (imageSize !== undefined) return checkSize('imageSize', imageSize);
    refuseOption('imageSize', `[height, width] with peephole 'spatial'`, imageSize);
  }
  if (imageSize !== undefined) {
    refuseOption('imageSize', `none without peephole 'spatial'`, imageSize);
  }
  return peephole === 'channel' ? [1, 1] : null;
}

function checkZoneout(zoneout: number | Zoneout): { h: number; c: number } {
  if (typeof zoneout !== 'number') checkNames('zoneout', zoneout, { h: true, c: true });
  const { h = 0, c = 0 } = typeof zoneout === 'number' ? { h: zoneout, c: zoneout } : zoneout;
  return { h: checkProbability('zoneout.h', h), c: checkProbability('zoneout.c', c) };
}

/**
 * One ConvLSTM layer, step by step (Shi et al. 2015). Options and keys have the names of
 * ndrplz/ConvLSTM_pytorch.
 *
 * State-dict keys: `conv.weight` [4 * hiddenDim, inputDim + hiddenDim, kh, kw] with gates in the order
 * i, f, o, g; `conv.bias` [4 * hiddenDim]; with peepholes `Wci`, `Wcf`, `Wco`, [1, hiddenDim, 1, 1] or
 * [1, hiddenDim, H, W], initially zero.
 *
 * @example
 * ```ts
 * const cell = new ConvLSTMCell({ inputDim: 3, hiddenDim: 16, kernelSize: 3 });
 * let state = cell.initHidden(1, [64, 64]);
 * state = cell.forward(frame, state); // { h, c }
 * ```
 */
export class ConvLSTMCell extends RecurrentCell<State> {
  static override readonly keys: Readonly<Record<string, string>> = {
    wci: 'Wci',
    wcf: 'Wcf',
    wco: 'Wco',
  };

  /** Channels of the input. */
  readonly inputDim: number;
  /** Channels of h and c. */
  readonly hiddenDim: number;
  /** [height, width] */
  readonly kernelSize: readonly [number, number];
  /** Kind of peephole weights. */
  readonly peephole: Peephole;
  /** Probability with which the convolution sees an element of h as 0 while training. */
  readonly recurrentDropout: number;
  /** Probabilities with which elements keep their previous value at a step while training. */
  readonly zoneout: {
    /** Probability for an element of h. */
    readonly h: number;
    /** Probability for an element of c. */
    readonly c: number;
  };
  /** Steps between the states saved for `backward()`. */
  readonly saveEvery: number;
  /** The convolution over [x, h]. */
  readonly conv: {
    /** [4 * hiddenDim, inputDim + hiddenDim, kh, kw], gates in the order i, f, o, g. */
    readonly weight: Parameter;
    /** [4 * hiddenDim]; null without bias. */
    readonly bias: Parameter | null;
  } & Module;
  /** Peephole weight of the previous c to gate i, [1, hiddenDim, 1, 1] or [1, hiddenDim, H, W]; or null. */
  readonly wci: Parameter | null;
  /** Peephole weight of the previous c to gate f, like `wci`. */
  readonly wcf: Parameter | null;
  /** Peephole weight of the new c to gate o, like `wci`. */
  readonly wco: Parameter | null;

  /** @throws ConvLSTMError ERR_OPTION for an unknown option or a value out of range */
  constructor(options: ConvLSTMCellOptions) {
    super();
    checkNames('ConvLSTMCell', options, {
      inputDim: true,
      hiddenDim: true,
      kernelSize: true,
      bias: true,
      peephole: true,
      imageSize: true,
      recurrentDropout: true,
      zoneout: true,
      saveEvery: true,
    });
    this.inputDim = checkCount('inputDim', options.inputDim);
    this.hiddenDim = checkCount('hiddenDim', options.hiddenDim);
    this.kernelSize = checkSize('kernelSize', options.kernelSize);
    this.peephole = options.peephole ?? false;
    this.recurrentDropout = checkProbability('recurrentDropout', options.recurrentDropout ?? 0);
    this.zoneout = checkZoneout(options.zoneout ?? 0);
    this.saveEvery = checkCount('saveEvery', options.saveEvery ?? 1);
    const bias = checkFlag('bias', options.bias ?? true);
    const peepholeSize = checkPeephole(this.peephole, options.imageSize);

    const channels = this.inputDim + this.hiddenDim;
    this.conv = new GateConvolution(channels, 4 * this.hiddenDim, this.kernelSize, bias);
    const zeros = () =>
      peepholeSize && new Parameter(Tensor.zeros([1, this.hiddenDim, ...peepholeSize]));
    this.wci = zeros();
    this.wcf = zeros();
    this.wco = zeros();
  }

  /** h and c: [batchSize, hiddenDim, H, W]. */
  stateShapes(batchSize: number, imageSize: Pair): Record<keyof State, Shape> {
    const shape = [batchSize, this.hiddenDim, ...imageSize];
    return { h: shape, c: shape };
  }

  /**
   * One step.
   *
   * @param x [B, inputDim, H, W]
   * @param state of the previous step; default: zeros
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION for anything but tensors
   */
  forward(x: Tensor, state?: State | null): State {
    expectTensor('input', x);
    if (state) {
      expectTensor('state.h', state.h);
      expectTensor('state.c', state.c);
    }
    if (x.shape.length !== 4 || x.shape[1] !== this.inputDim) {
      refuseShape('input', `[B, ${this.inputDim}, H, W]`, x.shape);
    }
    const sequence = reshape(x, [1, ...x.shape]);
    try {
      const { output, state: next } = this.forwardSequence(sequence, state ?? null, false);
      output.dispose();
      return next;
    } finally {
      sequence.dispose();
    }
  }

  /**
   * A whole sequence in one operation.
   *
   * @internal
   */
  override forwardSequence(
    x: Tensor,
    state: State | null,
    batchFirst: boolean,
  ): SequenceResult<State> {
    const masks = this.#masks(x, batchFirst);
    const { h0, c0, weight, bias, options } = this.layer(state, batchFirst);
    try {
      const { output, h, c } = convLstm(x, h0, c0, weight, bias, Object.assign(options, masks));
      return { output, state: { h, c } };
    } finally {
      for (const mask of Object.values(masks)) mask?.dispose();
    }
  }

  /**
   * The arguments of `convLstm` for this layer, without dropout and zoneout.
   *
   * @internal
   */
  layer(state: State | null, batchFirst: boolean): ConvLstmLayer {
    const { wci, wcf, wco } = this;
    const peephole: PeepholeWeights | null = wci && wcf && wco && { wci, wcf, wco };
    const { weight, bias } = this.conv;
    const { precision, saveEvery } = this;
    const options = { batchFirst, peephole, precision, saveEvery };
    return { h0: state?.h ?? null, c0: state?.c ?? null, weight, bias, options };
  }

  /** The masks of recurrent dropout and zoneout; null where absent. */
  #masks(x: Tensor, batchFirst: boolean) {
    const batch = x.shape[batchFirst ? 0 : 1]!;
    const frame = [this.hiddenDim, ...x.shape.slice(3)];
    const sequence = [...x.shape.slice(0, 2), ...frame];
    const kept = (p: number) => {
      if (p === 0) return null;
      if (this.training) return bernoulli(sequence, p, 1, x.device);
      return Tensor.full([], p, { device: x.device });
    };
    const dropped = this.training && this.recurrentDropout > 0;
    return {
      recurrentMask: dropped
        ? dropoutMask([batch, ...frame], this.recurrentDropout, x.device)
        : null,
      zoneoutH: kept(this.zoneout.h),
      zoneoutC: kept(this.zoneout.c),
    };
  }
}
