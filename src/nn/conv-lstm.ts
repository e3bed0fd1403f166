import { ConvLSTMError } from '../errors.js';
import { convLstmStack } from '../functional/conv-lstm-stack.js';
import { checkCount, checkNames, type Size } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { ConvLSTMCell, type Peephole, type State, type Zoneout } from './conv-lstm-cell.js';
import {
  type RecurrentResult,
  RecurrentStack,
  type RecurrentStackOptions,
} from './recurrent-stack.js';
import type { Stream } from './stream.js';

/** Options of `ConvLSTM`: the names are those of ndrplz/ConvLSTM_pytorch. */
export interface ConvLSTMOptions extends RecurrentStackOptions {
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
  /** Default true. */
  bias?: boolean | undefined;
  /**
   * Shi et al. 2015: i and f also look at c of the step before, o at the new c, by one weight per
   * channel or one per channel and pixel. Default false.
   */
  peephole?: Peephole | undefined;
  /** [height, width] of the frames: with `peephole: 'spatial'`, and only then. */
  imageSize?: Size | undefined;
  /** See `ConvLSTMCellOptions`; of every layer. */
  recurrentDropout?: number | undefined;
  /** See `ConvLSTMCellOptions`; of every layer. */
  zoneout?: number | Zoneout | undefined;
  /** See `ConvLSTMCellOptions`; of every layer. */
  saveEvery?: number | undefined;
}

/** Far more than anyone trains: a slip fails before the memory for its layers is asked for. */
const kMaxLayers = 1024;

/** What `ConvLSTM.forward` returns. */
export type ConvLSTMResult = RecurrentResult<State>;

/** What `ConvLSTM.stream` returns. */
export type ConvLSTMStream = Stream<State>;

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
export class ConvLSTM extends RecurrentStack<State> {
  declare readonly cells: readonly ConvLSTMCell[];

  /** @throws ConvLSTMError ERR_OPTION for an option out of range or unknown */
  constructor(options: ConvLSTMOptions) {
    super(cellsOf(options), options);
  }

  /** Whether dropout or zoneout change what the layers compute. */
  #isRegularized(): boolean {
    const { recurrentDropout, zoneout } = this.cells[0]!;
    const dropped = this.training && (this.dropout > 0 || recurrentDropout > 0);
    return dropped || zoneout.h > 0 || zoneout.c > 0;
  }

  /**
   * Within `noGrad` all layers are one operation, which does not hold the sequences between them.
   *
   * @internal
   */
  protected override fused(x: Tensor, states: readonly (State | null)[]): ConvLSTMResult | null {
    if (this.numLayers === 1 || this.#isRegularized()) return null;
    const layers = this.cells.map((cell, k) => cell.layer(states[k]!, this.batchFirst));
    const stack = convLstmStack(x, layers);
    return stack && { output: stack.output, outputs: [stack.output], states: stack.states };
  }
}

/** The layers that `options` describe. */
function cellsOf(options: ConvLSTMOptions): ConvLSTMCell[] {
  checkNames('ConvLSTM', options, {
    inputDim: true,
    hiddenDim: true,
    kernelSize: true,
    numLayers: true,
    batchFirst: true,
    bias: true,
    returnAllLayers: true,
    peephole: true,
    imageSize: true,
    dropout: true,
    recurrentDropout: true,
    zoneout: true,
    saveEvery: true,
  });
  const { hiddenDim, kernelSize, bias, peephole, imageSize } = options;
  const { recurrentDropout, zoneout, saveEvery } = options;
  const listed = [hiddenDim, isList(kernelSize) ? kernelSize : null].find(Array.isArray);
  const numLayers = checkCount('numLayers', options.numLayers ?? listed?.length ?? 1);
  if (numLayers > kMaxLayers) {
    const message = `numLayers: expected at most ${kMaxLayers}, got ${numLayers}`;
    throw new ConvLSTMError('ERR_OPTION', message);
  }
  const hiddenDims = perLayer('hiddenDim', hiddenDim, numLayers);
  const kernelSizes = perLayer<Size>(
    'kernelSize',
    isList(kernelSize) ? kernelSize : new Array<Size>(numLayers).fill(kernelSize),
    numLayers,
  );
  return hiddenDims.map(
    (hidden, layer) =>
      new ConvLSTMCell({
        inputDim: layer === 0 ? options.inputDim : hiddenDims[layer - 1]!,
        hiddenDim: hidden,
        kernelSize: kernelSizes[layer]!,
        bias,
        peephole,
        imageSize,
        recurrentDropout,
        zoneout,
        saveEvery,
      }),
  );
}
