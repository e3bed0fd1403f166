import { ConvLSTMError, kindOf } from '../errors.js';
import { convLstmStack } from '../functional/conv-lstm-stack.js';
import { dropout } from '../functional/index.js';
import { expectTensor } from '../functional/run.js';
import { checkCount, checkFlag, checkNames, checkProbability, type Size } from '../options.js';
import { formatShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { ConvLSTMCell, type Peephole, type State, type Zoneout } from './conv-lstm-cell.js';
import { Module } from './module.js';
import { ConvLSTMStream } from './stream.js';

/** Options of `ConvLSTM`: the names are those of ndrplz/ConvLSTM_pytorch. */
export interface ConvLSTMOptions {
  /** Channels of the input. */
  inputDim: number;
  /** Channels of h and c, of all layers or one per layer. */
  hiddenDim: number | readonly number[];
  /**
   * 3, or [height, width], or a list of one such entry per layer. A list of exactly two numbers is
   * always [height, width]: for two layers of sizes 3 and 5 write [[3, 3], [5, 5]]. An even size has
   * its extra zero below or to the right.
   */
  kernelSize: Size | readonly Size[];
  /** At most 1024. Default: as many as `hiddenDim` or `kernelSize` lists, else 1. */
  numLayers?: number | undefined;
  /** Sequences are [B, T, C, H, W] when true, else [T, B, C, H, W]; default false, as in PyTorch. */
  batchFirst?: boolean | undefined;
  /** Default true. */
  bias?: boolean | undefined;
  /** Whether `outputs` has every layer's sequence, not the last one's only; default false. */
  returnAllLayers?: boolean | undefined;
  /**
   * Shi et al. 2015: i and f also look at c of the step before, o at the new c, by one weight per
   * channel or one per channel and pixel. Default false.
   */
  peephole?: Peephole | undefined;
  /** [height, width] of the frames: with `peephole: 'spatial'`, and only then. */
  imageSize?: Size | undefined;
  /**
   * While training, elements of every layer's output but the last one's are 0 for the next layer with
   * this probability, the others 1 / (1 - p) times as large, as in PyTorch's `nn.LSTM`. Default 0.
   */
  dropout?: number | undefined;
  /** See `ConvLSTMCellOptions`; of every layer. */
  recurrentDropout?: number | undefined;
  /** See `ConvLSTMCellOptions`; of every layer. */
  zoneout?: number | Zoneout | undefined;
  /** See `ConvLSTMCellOptions`; of every layer. */
  checkpointEvery?: number | undefined;
}

/** Far more than anyone trains: a slip fails before the memory for its layers is asked for. */
const kMaxLayers = 1024;

/** What `ConvLSTM.forward` returns. */
export interface ConvLSTMResult {
  /**
   * The last layer's h of every step, in the layout of the input: [B, T, hidden, H, W] or
   * [T, B, hidden, H, W]. It is the last entry of `outputs`, the same object: `dispose()` of one is
   * `dispose()` of both.
   */
  output: Tensor;
  /** `output` alone, or with `returnAllLayers` the same of every layer, first to last. */
  outputs: Tensor[];
  /** State after the last step, always one per layer: pass it to `forward` to carry on. */
  states: State[];
}

function isList(size: Size | readonly Size[]): size is readonly Size[] {
  if (!Array.isArray(size)) return false;
  return size.length !== 2 || size.some((entry) => typeof entry !== 'number');
}

function perLayer<T>(name: string, value: T | readonly T[], numLayers: number): readonly T[] {
  if (!Array.isArray(value)) return new Array<T>(numLayers).fill(value as T);
  if (value.length !== numLayers) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `${name} has ${value.length} entries but numLayers is ${numLayers}`,
    );
  }
  return value;
}

/**
 * ConvLSTM layers one on another.
 *
 * State-dict keys: those of `ConvLSTMCell` after `cell_list.<layer>.`.
 *
 * @example
 * ```ts
 * const net = new ConvLSTM({
 *   inputDim: 3,
 *   hiddenDim: [64, 64, 128],
 *   kernelSize: [3, 3],
 *   numLayers: 3,
 *   batchFirst: true,
 * });
 * const { output, states } = net.forward(Tensor.randn([1, 10, 3, 64, 64]));
 * const y = await output.data(); // [1, 10, 128, 64, 64]
 * ```
 */
export class ConvLSTM extends Module {
  /** Channels of the input. */
  readonly inputDim: number;
  /** Channels of h and c, layer by layer. */
  readonly hiddenDim: readonly number[];
  /** Layers one on another. */
  readonly numLayers: number;
  /** Whether sequences are [B, T, C, H, W], else [T, B, C, H, W]. */
  readonly batchFirst: boolean;
  /** Whether `outputs` has every layer's output, else the last one's only. */
  readonly returnAllLayers: boolean;
  /** Between layers. */
  readonly dropout: number;
  /** The layers, first to last. */
  readonly cell_list: readonly ConvLSTMCell[];

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(options: ConvLSTMOptions) {
    super();
    checkNames('ConvLSTM', options, [
      'inputDim',
      'hiddenDim',
      'kernelSize',
      'numLayers',
      'batchFirst',
      'bias',
      'returnAllLayers',
      'peephole',
      'imageSize',
      'dropout',
      'recurrentDropout',
      'zoneout',
      'checkpointEvery',
    ]);
    const { hiddenDim, kernelSize, bias, peephole, imageSize } = options;
    const { recurrentDropout, zoneout, checkpointEvery } = options;
    const listed = [hiddenDim, isList(kernelSize) ? kernelSize : null].find(Array.isArray);
    this.numLayers = checkCount('numLayers', options.numLayers ?? listed?.length ?? 1);
    if (this.numLayers > kMaxLayers) {
      const message = `numLayers: expected at most ${kMaxLayers}, got ${this.numLayers}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    this.inputDim = checkCount('inputDim', options.inputDim);
    this.hiddenDim = [...perLayer('hiddenDim', hiddenDim, this.numLayers)];
    this.batchFirst = checkFlag('batchFirst', options.batchFirst ?? false);
    this.dropout = checkProbability('dropout', options.dropout ?? 0);
    this.returnAllLayers = checkFlag('returnAllLayers', options.returnAllLayers ?? false);
    const kernelSizes = perLayer<Size>(
      'kernelSize',
      isList(kernelSize) ? kernelSize : new Array<Size>(this.numLayers).fill(kernelSize),
      this.numLayers,
    );
    this.cell_list = this.hiddenDim.map(
      (hidden, layer) =>
        new ConvLSTMCell({
          inputDim: layer === 0 ? this.inputDim : this.hiddenDim[layer - 1]!,
          hiddenDim: hidden,
          kernelSize: kernelSizes[layer]!,
          bias,
          peephole,
          imageSize,
          recurrentDropout,
          zoneout,
          checkpointEvery,
        }),
    );
  }

  /**
   * Zeros to start from, one state per layer.
   *
   * @param imageSize [height, width]
   */
  initHidden(batchSize: number, imageSize: Size): State[] {
    return this.cell_list.map((cell) => cell.initHidden(batchSize, imageSize));
  }

  /**
   * All layers over a whole sequence. Within `noGrad` the sequences between them are not held.
   *
   * @param x [T, B, inputDim, H, W], or [B, T, inputDim, H, W] with `batchFirst`
   * @param states one per layer, as `forward` returns them; zeros for a layer's null or when left out
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_DTYPE for what is no tensor
   */
  forward(x: Tensor, states?: readonly (State | null)[] | null): ConvLSTMResult {
    this.#checkInput(x);
    if (states && !Array.isArray(states)) {
      const message = `states: expected a list of { h, c }, one per layer, got ${kindOf(states)}`;
      throw new ConvLSTMError('ERR_DTYPE', message);
    }
    if (states && states.length !== this.numLayers) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `states has ${states.length} entries but numLayers is ${this.numLayers}`,
      );
    }
    this.#checkStates(x, states ?? []);
    if (this.numLayers > 1 && !this.returnAllLayers && !this.#isRegularized()) {
      const layers = this.cell_list.map((cell, k) =>
        cell.layer(states?.[k] ?? null, this.batchFirst),
      );
      const stack = convLstmStack(x, layers);
      if (stack) return { output: stack.output, outputs: [stack.output], states: stack.states };
    }
    const outputs: Tensor[] = [];
    const lastStates: State[] = [];
    let input = x;
    this.cell_list.forEach((cell, layer) => {
      const { output, h, c } = cell.forwardSequence(
        input,
        states?.[layer] ?? null,
        this.batchFirst,
      );
      lastStates.push({ h, c });
      if (this.returnAllLayers || layer === this.numLayers - 1) outputs.push(output);
      if (input !== x && !outputs.includes(input)) input.dispose();
      const dropped = this.training && this.dropout > 0 && layer < this.numLayers - 1;
      input = dropped ? dropout(output, this.dropout) : output;
      if (dropped && !outputs.includes(output)) output.dispose();
    });
    return { output: outputs.at(-1)!, outputs, states: lastStates };
  }

  /**
   * The layers one frame at a time, the state kept between frames. Layers with recurrent dropout or
   * zoneout want `eval()` before, as in `forward`.
   *
   * @example
   * ```ts
   * const stream = net.stream();
   * for await (const frame of camera) {
   *   using h = stream.step(frame); // [B, C, H, W] in, [B, hidden, H, W] out
   * }
   * ```
   */
  stream(): ConvLSTMStream {
    return new ConvLSTMStream(this.cell_list);
  }

  /** Whether dropout or zoneout change what the layers compute. */
  #isRegularized(): boolean {
    const { recurrentDropout, zoneout } = this.cell_list[0]!;
    const dropped = this.training && (this.dropout > 0 || recurrentDropout > 0);
    return dropped || zoneout.h > 0 || zoneout.c > 0;
  }

  #checkInput(x: Tensor): void {
    expectTensor('input', x);
    if (x.shape.length === 5 && x.shape[2] === this.inputDim) return;
    const layout = this.batchFirst ? 'B, T' : 'T, B';
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `input: expected [${layout}, ${this.inputDim}, H, W], got ${formatShape(x.shape)}`,
    );
  }

  /** All before the first layer runs, and with the layer's number in the message. */
  #checkStates(x: Tensor, states: readonly (State | null)[]): void {
    const batch = x.shape[this.batchFirst ? 0 : 1]!;
    states.forEach((state, layer) => {
      if (!state) return;
      const expected = formatShape([batch, this.hiddenDim[layer]!, ...x.shape.slice(3)]);
      for (const name of ['h', 'c'] as const) {
        expectTensor(`states[${layer}].${name}`, state[name]);
        const got = formatShape(state[name].shape);
        if (got === expected) continue;
        throw new ConvLSTMError(
          'ERR_SHAPE',
          `states[${layer}].${name}: expected ${expected}, got ${got}`,
        );
      }
    });
  }
}
