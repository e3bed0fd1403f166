import type { Pair, Shape } from '../../binding.js';
import { ConvLSTMError, show } from '../errors.js';
import type { ConvLstmLayer } from '../functional/conv-lstm-call.js';
import { bernoulli, dropoutMask } from '../functional/dropout.js';
import { convLstm, type PeepholeWeights, reshape } from '../functional/index.js';
import { expectTensor } from '../functional/run.js';
import {
  checkCount,
  checkFlag,
  checkNames,
  checkProbability,
  checkSize,
  type Size,
} from '../options.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { initialWeights } from './conv2d.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { RecurrentCell, type SequenceResult } from './recurrent-cell.js';

/** The state of one layer. */
export interface State {
  /** The hidden state, which is the output too: [B, hidden, H, W]. */
  h: Tensor;
  /** The cell state: [B, hidden, H, W]. */
  c: Tensor;
}

/** How gates look at the cell state; see `ConvLSTMCellOptions`. */
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
   * Shi et al. 2015: i and f also look at c of the step before, o at the new c, by one weight per
   * channel or one per channel and pixel. Default false.
   */
  peephole?: Peephole | undefined;
  /** [height, width] of the frames: with `peephole: 'spatial'`, and only then. */
  imageSize?: Size | undefined;
  /**
   * While training, elements of h are 0 in the convolution with this probability, the others
   * 1 / (1 - p) times as large; the same ones at all steps of a sequence (Gal and Ghahramani 2016), and
   * others in the next call. Default 0.
   */
  recurrentDropout?: number | undefined;
  /**
   * While training, elements of h and c stay as they were at a step with this probability; afterwards h
   * and c are the mean of old and new in this proportion (Krueger et al. 2017). A number is for both.
   * Default 0.
   */
  zoneout?: number | Zoneout | undefined;
  /**
   * How much `backward()` finds saved: 1, the default, gates and c of every step; k > 1, c of every
   * k-th step, and the steps between are computed again, for the same gradients. `docs/training.md`
   * counts the bytes.
   */
  saveEvery?: number | undefined;
}

/** Probabilities of zoneout. */
export interface Zoneout {
  /** Of elements of h; default 0. */
  h?: number | undefined;
  /** Of elements of c; default 0. */
  c?: number | undefined;
}

/** The one convolution over [x, h]: state-dict keys `conv.weight` and `conv.bias`. */
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
    throw new ConvLSTMError(
      'ERR_OPTION',
      `peephole: expected false, 'channel' or 'spatial', got ${show(peephole)}`,
    );
  }
  if (peephole === 'spatial') {
    if (imageSize !== undefined) return checkSize('imageSize', imageSize);
    throw new ConvLSTMError('ERR_OPTION', `peephole 'spatial' needs imageSize: [height, width]`);
  }
  if (imageSize !== undefined) {
    throw new ConvLSTMError('ERR_OPTION', `imageSize is for peephole 'spatial' only`);
  }
  return peephole === 'channel' ? [1, 1] : null;
}

function checkZoneout(zoneout: number | Zoneout): { h: number; c: number } {
  if (typeof zoneout !== 'number') checkNames('zoneout', zoneout, { h: true, c: true });
  const { h = 0, c = 0 } = typeof zoneout === 'number' ? { h: zoneout, c: zoneout } : zoneout;
  return { h: checkProbability('zoneout.h', h), c: checkProbability('zoneout.c', c) };
}

/**
 * One layer, one step at a time (Shi et al. 2015; the names are those of ndrplz/ConvLSTM_pytorch).
 *
 * State-dict keys: `conv.weight` [4 * hiddenDim, inputDim + hiddenDim, kh, kw] with gates in the order
 * i, f, o, g, `conv.bias` [4 * hiddenDim], and with peepholes `Wci`, `Wcf`, `Wco` of shape
 * [1, hiddenDim, 1, 1] or [1, hiddenDim, H, W], which start as zeros.
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
  /** How gates look at the cell state. */
  readonly peephole: Peephole;
  /** Probability of an element of h to be 0 in the convolution, while training. */
  readonly recurrentDropout: number;
  /** Probabilities of elements to stay as they were at a step, while training. */
  readonly zoneout: {
    /** Of elements of h. */
    readonly h: number;
    /** Of elements of c. */
    readonly c: number;
  };
  /** Every how many steps `backward()` finds c saved. */
  readonly saveEvery: number;
  /** The one convolution over [x, h]. */
  readonly conv: {
    /** [4 * hiddenDim, inputDim + hiddenDim, kh, kw], gates in the order i, f, o, g. */
    readonly weight: Parameter;
    /** [4 * hiddenDim]; null for none. */
    readonly bias: Parameter | null;
  } & Module;
  /** What i sees of c of the step before: [1, hiddenDim, 1, 1] or [1, hiddenDim, H, W]. */
  readonly wci: Parameter | null;
  /** What f sees of it. */
  readonly wcf: Parameter | null;
  /** What o sees of the new c. */
  readonly wco: Parameter | null;

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
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
   * @param state what came before; zeros when left out
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_DTYPE for what is no tensor
   */
  forward(x: Tensor, state?: State | null): State {
    expectTensor('input', x);
    if (state) {
      expectTensor('state.h', state.h);
      expectTensor('state.c', state.c);
    }
    if (x.shape.length !== 4 || x.shape[1] !== this.inputDim) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `input: expected [B, ${this.inputDim}, H, W], got ${formatShape(x.shape)}`,
      );
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
   * This layer over a whole sequence, in one operation.
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
   * What this layer is called with, without dropout and zoneout.
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

  /** Of recurrent dropout and zoneout, as far as there are any. */
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
