import { ConvLSTMError, kindOf } from '../errors.js';
import { dropout } from '../functional/index.js';
import { checkFlag, checkProbability, type Size } from '../options.js';
import { expectTensor } from '../tensor/operands.js';
import { expectShape, refuseShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';
import type { CellState, RecurrentCell, Tensors } from './recurrent-cell.js';
import { Stream } from './stream.js';

/** Options of `RecurrentStack`. */
export interface RecurrentStackOptions {
  /** Layout of sequences: [B, T, C, H, W] if true, else [T, B, C, H, W]. Default false, as in PyTorch. */
  batchFirst?: boolean | undefined;
  /** Whether `outputs` has every layer's sequence, not the last one's only; default false. */
  returnAllLayers?: boolean | undefined;
  /**
   * Probability p with which the next layer sees an element of a layer's output as 0 while training, the
   * others scaled by 1 / (1 - p), as in PyTorch's `nn.LSTM`. Default 0.
   */
  dropout?: number | undefined;
}

/** What `RecurrentStack.forward` returns. */
export interface RecurrentResult<S> {
  /**
   * The last layer's h of every step, in the layout of the input: [B, T, hidden, H, W] or
   * [T, B, hidden, H, W]. It is the last entry of `outputs`, the same object: `dispose()` of one is
   * `dispose()` of both.
   */
  output: Tensor;
  /** `output` alone, or with `returnAllLayers` the same of every layer, first to last. */
  outputs: Tensor[];
  /** State after the last step, one per layer whatever the options: `forward` takes it to continue. */
  states: S[];
}

/**
 * A stack of recurrent layers of any kind; `ConvLSTM` is a stack of `ConvLSTMCell`s.
 *
 * State-dict keys: those of the cells after `cell_list.<layer>.`.
 *
 * @example
 * ```ts
 * const net = new RecurrentStack([new MyCell(1, 16), new MyCell(16, 16)], { batchFirst: true });
 * const { output, states } = net.forward(Tensor.randn([1, 10, 1, 64, 64]));
 * ```
 */
export class RecurrentStack<S extends Tensors<S> = CellState> extends Module {
  static override readonly keys: Readonly<Record<string, string>> = { cells: 'cell_list' };

  /** Channels of the input. */
  readonly inputDim: number;
  /** Channels of h, layer by layer. */
  readonly hiddenDim: readonly number[];
  /** Number of layers. */
  readonly numLayers: number;
  /** Whether sequences are [B, T, C, H, W], else [T, B, C, H, W]. */
  readonly batchFirst: boolean;
  /** Whether `outputs` has every layer's output, else the last one's only. */
  readonly returnAllLayers: boolean;
  /** Probability of dropout between layers. */
  readonly dropout: number;
  /** The layers, first to last. */
  readonly cells: readonly RecurrentCell<S>[];

  /** @throws ConvLSTMError ERR_OPTION for an empty list of cells or a value out of range */
  constructor(cells: readonly RecurrentCell<S>[], options: RecurrentStackOptions = {}) {
    super();
    if (cells.length === 0) {
      throw new ConvLSTMError('ERR_OPTION', 'cells: expected at least one, got none');
    }
    this.inputDim = cells[0]!.inputDim;
    this.hiddenDim = cells.map(({ hiddenDim }) => hiddenDim);
    this.numLayers = cells.length;
    this.batchFirst = checkFlag('batchFirst', options.batchFirst ?? false);
    this.returnAllLayers = checkFlag('returnAllLayers', options.returnAllLayers ?? false);
    this.dropout = checkProbability('dropout', options.dropout ?? 0);
    this.cells = [...cells];
  }

  /**
   * The states before the first step, zeros, one per layer.
   *
   * @param imageSize [height, width]
   */
  initHidden(batchSize: number, imageSize: Size): S[] {
    return this.cells.map((cell) => cell.initHidden(batchSize, imageSize));
  }

  /**
   * All layers over a whole sequence.
   *
   * @param x [T, B, inputDim, H, W], or [B, T, inputDim, H, W] with `batchFirst`
   * @param states one per layer, as `forward` returns them; default, and null for a layer: zeros
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION for anything but tensors
   */
  forward(x: Tensor, states?: readonly (S | null)[] | null): RecurrentResult<S> {
    this.#checkInput(x);
    if (states) this.#checkStates(x, states);
    const before = this.cells.map((_, layer) => states?.[layer] ?? null);
    const fused = this.returnAllLayers ? null : this.fused(x, before);
    if (fused) return fused;
    const outputs: Tensor[] = [];
    const after: S[] = [];
    let input = x;
    this.cells.forEach((cell, layer) => {
      const { output, state } = cell.forwardSequence(input, before[layer]!, this.batchFirst);
      after.push(state);
      const last = layer === this.numLayers - 1;
      if (this.returnAllLayers || last) outputs.push(output);
      if (input !== x && !outputs.includes(input)) input.dispose();
      const dropped = this.training && this.dropout > 0 && !last;
      input = dropped ? dropout(output, this.dropout) : output;
      if (dropped && !outputs.includes(output)) output.dispose();
    });
    return { output: outputs.at(-1)!, outputs, states: after };
  }

  /**
   * All layers in one operation; null where a stack has none, which then runs layer by layer.
   *
   * @internal
   */
  protected fused(_x: Tensor, _states: readonly (S | null)[]): RecurrentResult<S> | null {
    return null;
  }

  /**
   * A stream: the layers frame by frame, with the state kept between frames. Layers with dropout or
   * zoneout need `eval()` first, as in `forward`.
   *
   * @example
   * ```ts
   * const stream = net.stream();
   * for await (const frame of camera) {
   *   using h = stream.step(frame); // [B, C, H, W] in, [B, hidden, H, W] out
   * }
   * ```
   */
  stream(): Stream<S> {
    return new Stream(this.cells);
  }

  #checkInput(x: Tensor): void {
    expectTensor('input', x);
    if (x.shape.length === 5 && x.shape[2] === this.inputDim) return;
    const layout = this.batchFirst ? 'B, T' : 'T, B';
    refuseShape('input', `[${layout}, ${this.inputDim}, H, W]`, x.shape);
  }

  /** Runs before the first layer, so that no layer has computed anything when it throws. */
  #checkStates(x: Tensor, states: readonly (S | null)[]): void {
    if (!Array.isArray(states)) {
      const names = Object.keys(this.cells[0]!.stateShapes(1, [1, 1])).join(', ');
      const message = `states: expected a list of { ${names} }, one per layer, got ${kindOf(states)}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    if (states.length !== this.numLayers) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `states has ${states.length} entries but numLayers is ${this.numLayers}`,
      );
    }
    const batch = x.shape[this.batchFirst ? 0 : 1]!;
    const [height, width] = x.shape.slice(3) as [number, number];
    states.forEach((state, layer) => {
      if (!state) return;
      const shapes = this.cells[layer]!.stateShapes(batch, [height, width]);
      for (const name in shapes) {
        const tensor: Tensor = state[name];
        const expected = shapes[name];
        expectTensor(`states[${layer}].${name}`, tensor);
        expectShape(`states[${layer}].${name}`, expected, tensor.shape);
      }
    });
  }
}
