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

/** Options of `ConvLSTM`, with the names of ndrplz/ConvLSTM_pytorch. */
export interface ConvLSTMOptions extends RecurrentStackOptions {
  /** Channels of the input. */
  inputDim: number;
  /** Channels of h and c: one number for all layers, or one per layer. */
  hiddenDim: number | readonly number[];
  /**
   * Kernel size: 3, or [height, width], or a list with one of these per layer. A list of exactly two
   * numbers is [height, width]: two layers of sizes 3 and 5 are [[3, 3], [5, 5]]. An even size has its
   * extra zero below or to the right.
   */
  kernelSize: Size | readonly Size[];
  /** Number of layers, at most 1024. Default: the length of a `hiddenDim` or `kernelSize` list, else 1. */
  numLayers?: number | undefined;
  /** Default true. */
  bias?: boolean | undefined;
  /** Peepholes of every layer; see `ConvLSTMCellOptions`. Default false. */
  peephole?: Peephole | undefined;
  /** [height, width] of the frames; required with `peephole: 'spatial'`, refused without. */
  imageSize?: Size | undefined;
  /** Recurrent dropout of every layer; see `ConvLSTMCellOptions`. Default 0. */
  recurrentDropout?: number | undefined;
  /** Zoneout of every layer; see `ConvLSTMCellOptions`. Default 0. */
  zoneout?: number | Zoneout | undefined;
  /** Steps between saved states of every layer; see `ConvLSTMCellOptions`. Default 1. */
  saveEvery?: number | undefined;
}

/** Far more than anyone trains, so that a typing error fails before memory for its layers is allocated. */
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
 * A stack of ConvLSTM layers.
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

  /** @throws ConvLSTMError ERR_OPTION for an unknown option or a value out of range */
  constructor(options: ConvLSTMOptions) {
    super(cellsOf(options), options);
  }

  /** Whether dropout or zoneout changes results. */
  #isRegularized(): boolean {
    const { recurrentDropout, zoneout } = this.cells[0]!;
    const dropped = this.training && (this.dropout > 0 || recurrentDropout > 0);
    return dropped || zoneout.h > 0 || zoneout.c > 0;
  }

  /**
   * Where no gradient is recorded, all layers are one operation, which does not hold the sequences
   * between them.
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

/** Checks the options and builds the layers. */
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
