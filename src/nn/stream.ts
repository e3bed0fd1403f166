import type { Shape } from '../../binding.js';
import { noGrad } from '../autograd/grad-mode.js';
import { backendOf, type Device } from '../backend.js';
import { ConvLSTMError, show } from '../errors.js';
import { checkCount } from '../options.js';
import type { TensorSource } from '../tensor/convert.js';
import { expectTensor } from '../tensor/operands.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import {
  type CellState,
  cloneState,
  disposeState,
  type RecurrentCell,
  type Tensors,
} from './recurrent-cell.js';
import { decodeStates, encodeStates, type SavedState } from './stream-state.js';

/**
 * A frame [B, C, H, W], or [C, H, W] for a batch of one: a tensor, or a value that `Tensor.from` accepts,
 * such as a frame of `readFrames`.
 */
export type Frame = Tensor | TensorSource;

/** The frame as [B, C, H, W]; the same tensor if it already is one. */
export function batchOf(frame: Frame, device: Device): Tensor {
  const x = frame instanceof Tensor ? frame : Tensor.from(frame, undefined, { device });
  if (x.shape.length !== 3) return x;
  const batch = x.unsqueeze(0);
  if (x !== frame) x.dispose();
  return batch;
}

/** `run` queues at most twice this many steps, so that a fast source does not fill the memory. */
const kStepsBetweenFences = 8;

/**
 * Recurrent layers one frame at a time. The state stays on the device between frames; each step frees
 * the state that it replaces. Made by `ConvLSTM.stream()`.
 *
 * @example
 * ```ts
 * const stream = net.cells.stream();
 * for (const frame of frames) stream.feed(frame);
 * // Ten more frames, each prediction fed back; the stream itself does not advance.
 * for (const next of stream.forecast(10, (h) => net.head.forward(h).sigmoid())) show(next);
 * ```
 */
export class Stream<S extends Tensors<S> = CellState> {
  readonly #cells: readonly RecurrentCell<S>[];
  /** A parameter of the layers, for their device. */
  readonly #parameter: Tensor;
  #states: S[] | null = null;
  #disposed = false;

  /** @internal */
  constructor(cells: readonly RecurrentCell<S>[]) {
    this.#cells = cells;
    this.#parameter = cells[0]!.parameters()[0]!;
  }

  get #device(): Device {
    return this.#parameter.device;
  }

  /**
   * One frame through all layers.
   *
   * @param frame [B, inputDim, H, W], or [inputDim, H, W] for a batch of one
   * @returns the last layer's h, [B, hiddenDim, H, W]; owned by the caller, who may dispose it
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED
   */
  step(frame: Frame): Tensor {
    this.feed(frame);
    return this.#states!.at(-1)!.h.clone();
  }

  /**
   * `step` without a result, for frames that only advance the state.
   *
   * @param frame [B, inputDim, H, W], or [inputDim, H, W] for a batch of one
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED
   */
  feed(frame: Frame): void {
    this.#expectLive();
    const x = batchOf(frame, this.#device);
    const next: S[] = [];
    try {
      this.#expectFitting(x.shape);
      let input = x;
      this.#cells.forEach((cell, layer) => {
        const state = noGrad(() => cell.forward(input, this.#states?.[layer]));
        next.push(state);
        input = state.h;
      });
    } catch (error) {
      next.forEach(disposeState);
      throw error;
    } finally {
      if (x !== frame) x.dispose();
    }
    this.#replace(next);
  }

  /**
   * One step per frame of a source: `for await (const h of stream.run(frames))`. Waits for the device
   * when the source is faster.
   *
   * @example
   * ```ts
   * await pipeline(camera, (frames) => stream.run(frames), sink); // of node:stream/promises
   * for await (const h of stream.run(readFrames('radar/'))) console.log(h.shape);
   * ```
   */
  async *run(frames: AsyncIterable<Frame> | Iterable<Frame>): AsyncGenerator<Tensor, void> {
    if (!Object(frames)[Symbol.asyncIterator] && !Object(frames)[Symbol.iterator]) {
      const message = `frames: expected an iterable, async or not, got ${show(frames)}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    let steps = 0;
    let fence: Promise<void> | undefined;
    for await (const frame of frames) {
      const h = this.step(frame);
      if (++steps % kStepsBetweenFences === 0) {
        await fence;
        fence = this.#fence();
      }
      yield h;
    }
  }

  /** Resolves when the device has run everything queued before. */
  async #fence(): Promise<void> {
    const mark = backendOf(this.#device).fill(1, 0);
    await mark.data();
    mark.dispose();
  }

  /**
   * Predicts the next `count` frames, each fed back as the next input. Works on a clone: the stream
   * itself does not advance.
   *
   * @param head computes the next frame, [B, inputDim, H, W], from the last layer's h, [B, hiddenDim, H, W]
   * @returns the predictions, each computed when it is requested
   * @throws ConvLSTMError ERR_OPTION before the first `step`, for a count below 1, or a head that is no
   *   function
   */
  forecast(count: number, head: (h: Tensor) => Tensor): Generator<Tensor, void> {
    checkCount('count', count);
    if (typeof head !== 'function') {
      throw new ConvLSTMError('ERR_OPTION', `head: expected a function, got ${show(head)}`);
    }
    this.#expectLive();
    if (!this.#states) {
      throw new ConvLSTMError('ERR_OPTION', 'forecast: the stream has seen no frame yet');
    }
    return this.clone().#feedBack(count, head);
  }

  /** Called on a clone, which it disposes at the end. */
  *#feedBack(count: number, head: (h: Tensor) => Tensor): Generator<Tensor, void> {
    try {
      for (let remaining = count; remaining > 0; remaining--) {
        const frame = this.#predict(head);
        // Fed back before it is yielded, because its new owner may dispose it.
        if (remaining > 1) this.feed(frame);
        yield frame;
      }
    } finally {
      this.dispose();
    }
  }

  #predict(head: (h: Tensor) => Tensor): Tensor {
    using h = this.#states!.at(-1)!.h.clone();
    const frame = noGrad(() => head(h));
    expectTensor('result of head', frame);
    return frame === h ? h.clone() : frame;
  }

  /** A second stream with the same state, independent from then on. Copies no values. */
  clone(): Stream<S> {
    this.#expectLive();
    const copy = new Stream(this.#cells);
    copy.#states = this.#states?.map(cloneState) ?? null;
    return copy;
  }

  /** The state as bytes, for `load`. */
  async save(): Promise<Uint8Array> {
    this.#expectLive();
    return encodeStates(this.#states ?? []);
  }

  /**
   * Restores a saved state. Keeps the present one if it throws.
   *
   * @throws ConvLSTMError ERR_FORMAT for bytes that `save` did not write, ERR_SHAPE for the state of
   *   other layers
   */
  load(bytes: Uint8Array): this {
    this.#expectLive();
    const saved = decodeStates(bytes);
    if (saved.length === 0) return this.reset();
    this.#expectStatesOfCells(saved);
    const options = { device: this.#device };
    const states = saved.map((state) => {
      const entries = Object.entries(state).map(
        ([name, { data, shape }]) => [name, Tensor.from(data, shape, options)] as const,
      );
      return Object.fromEntries(entries) as unknown as S;
    });
    this.#replace(states);
    return this;
  }

  /** Compares names and shapes with those of the cells, for the batch and frame size of the first h. */
  #expectStatesOfCells(saved: readonly SavedState[]): void {
    const refuse = (what: string, expected: unknown, got: unknown): never => {
      const message = `saved stream: expected ${what}${expected}, got ${got}`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    };
    const count = this.#cells.length;
    if (saved.length !== count) refuse('layers: ', count, saved.length);
    const [batch = 0, , height = 0, width = 0] = saved[0]!['h']?.shape ?? [];
    this.#cells.forEach((cell, layer) => {
      const expected = formatState(cell.stateShapes(batch, [height, width]));
      const got = formatState(shapesOf(saved[layer]!));
      if (got !== expected) refuse(`in layer ${layer} `, expected, got);
    });
  }

  /** Drops the state: the next step starts from zeros. */
  reset(): this {
    this.#expectLive();
    this.#replace(null);
    return this;
  }

  /** Frees the state. Idempotent; later calls of other methods throw ERR_DISPOSED. */
  dispose(): void {
    this.#replace(null);
    this.#disposed = true;
  }

  /** `using stream = ...` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #replace(states: S[] | null): void {
    this.#states?.forEach(disposeState);
    this.#states = states;
  }

  /** Checks device and frame size; the first cell checks the channels. */
  #expectFitting(shape: readonly number[]): void {
    const state = this.#states?.[0]?.h;
    if (!state) return;
    if (state.device !== this.#device) {
      throw new ConvLSTMError(
        'ERR_DEVICE',
        `stream: the layers are on '${this.#device}' but the state is on '${state.device}'; ` +
          'load(await save()) moves it there',
      );
    }
    if (shape.length !== 4) return;
    const expected = state.shape.with(1, this.#cells[0]!.inputDim);
    if ([0, 2, 3].every((axis) => shape[axis] === expected[axis])) return;
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `frame: expected ${formatShape(expected)} as before, got ${formatShape(shape)}; reset() drops the state`,
    );
  }

  #expectLive(): void {
    if (this.#disposed) throw new ConvLSTMError('ERR_DISPOSED', 'the stream was disposed');
  }
}

type Shapes = Readonly<Record<string, Shape>>;

function shapesOf(state: SavedState): Shapes {
  return Object.fromEntries(Object.entries(state).map(([name, { shape }]) => [name, shape]));
}

/** `c [1, 3, 5, 4], h [1, 3, 5, 4]`: in the order of names. */
function formatState(shapes: Shapes): string {
  const names = Object.keys(shapes).sort();
  return names.map((name) => `${name} ${formatShape(shapes[name]!)}`).join(', ');
}
