import { noGrad } from '../autograd/grad-mode.js';
import { backendOf, type Device } from '../backend.js';
import { ConvLSTMError, show } from '../errors.js';
import { expectTensor } from '../functional/run.js';
import { checkCount } from '../options.js';
import type { TensorSource } from '../tensor/convert.js';
import { formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { ConvLSTMCell, State } from './conv-lstm-cell.js';
import { decodeState, encodeState, type SavedState } from './stream-state.js';

/**
 * A frame [B, C, H, W], or [C, H, W] for a batch of one: a tensor, or whatever `Tensor.from` makes one of,
 * such as what `readFrames` gives.
 */
export type Frame = Tensor | TensorSource;

/** [B, C, H, W]: the frame itself where it is that. */
export function batchOf(frame: Frame, device: Device): Tensor {
  const x = frame instanceof Tensor ? frame : Tensor.from(frame, undefined, { device });
  if (x.shape.length !== 3) return x;
  const batch = x.unsqueeze(0);
  if (x !== frame) x.dispose();
  return batch;
}

/** `run` lets at most twice as many steps wait: a fast source must not fill the memory. */
const kStepsBetweenFences = 8;

/**
 * Layers of ConvLSTM one frame at a time. The state stays on the device between frames, and what a
 * step replaces is freed at once. Made by `ConvLSTM.stream()`.
 *
 * @example
 * ```ts
 * const stream = net.cells.stream();
 * for (const frame of frames) stream.step(frame).dispose();
 * // Ten frames more, each prediction fed back; the stream itself stays where it is.
 * for (const next of stream.forecast(10, (h) => net.head.forward(h).sigmoid())) show(next);
 * ```
 */
export class ConvLSTMStream {
  readonly #cells: readonly ConvLSTMCell[];
  #states: State[] | null = null;
  #disposed = false;

  /** @internal */
  constructor(cells: readonly ConvLSTMCell[]) {
    this.#cells = cells;
  }

  get #device(): Device {
    return this.#cells[0]!.conv.weight.device;
  }

  /**
   * One frame through all layers.
   *
   * @param frame [B, inputDim, H, W], or [inputDim, H, W] for a batch of one
   * @returns the last layer's h, [B, hiddenDim, H, W]; the caller's own: disposing it is safe
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED
   */
  step(frame: Frame): Tensor {
    this.#expectLive();
    const x = batchOf(frame, this.#device);
    const next: State[] = [];
    try {
      this.#expectFitting(x.shape);
      let input = x;
      this.#cells.forEach((cell, layer) => {
        const state = noGrad(() => cell.forward(input, this.#states?.[layer]));
        next.push(state);
        input = state.h;
      });
    } catch (error) {
      disposeStates(next);
      throw error;
    } finally {
      if (x !== frame) x.dispose();
    }
    this.#replace(next);
    return next.at(-1)!.h.clone();
  }

  /**
   * A step for each frame of a source: `for await (const h of stream.run(frames))`. Waits for the
   * device when the source is faster.
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

  /** Resolves when the queue of the device has come to this point. */
  async #fence(): Promise<void> {
    const mark = backendOf(this.#device).fill(1, 0);
    await mark.data();
    mark.dispose();
  }

  /**
   * The next `count` frames, each prediction fed back as the next input. Continues from a clone: the
   * stream itself does not move.
   *
   * @param head from the last layer's h, [B, hiddenDim, H, W], to the next frame, [B, inputDim, H, W]
   * @returns the predictions, computed as they are asked for
   * @throws ConvLSTMError ERR_OPTION before the first `step`, and for a count or a head that is none
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

  /** On a clone, which is disposed in the end. */
  *#feedBack(count: number, head: (h: Tensor) => Tensor): Generator<Tensor, void> {
    try {
      for (let remaining = count; remaining > 0; remaining--) {
        const frame = this.#predict(head);
        // Fed back before it is handed out, because its new owner may dispose it.
        if (remaining > 1) this.step(frame).dispose();
        yield frame;
      }
    } finally {
      this.dispose();
    }
  }

  #predict(head: (h: Tensor) => Tensor): Tensor {
    using h = this.#states!.at(-1)!.h.clone();
    const frame = noGrad(() => head(h));
    expectTensor('what head returned', frame);
    return frame === h ? h.clone() : frame;
  }

  /** A stream that goes on from the same state on its own; copies nothing. */
  clone(): ConvLSTMStream {
    this.#expectLive();
    const copy = new ConvLSTMStream(this.#cells);
    copy.#states = this.#states?.map(({ h, c }) => ({ h: h.clone(), c: c.clone() })) ?? null;
    return copy;
  }

  /** The state as bytes, for `load`. */
  async save(): Promise<Uint8Array> {
    this.#expectLive();
    const states = this.#states ?? [];
    const [batch = 0, , height = 0, width = 0] = states[0]?.h.shape ?? [];
    const layers = await Promise.all(
      states.map(async ({ h, c }) => {
        const [hValues, cValues] = await Promise.all([h.data(), c.data()]);
        return { channels: h.shape[1]!, h: hValues, c: cValues };
      }),
    );
    return encodeState({ batch, height, width, layers });
  }

  /**
   * Goes on from a saved state.
   *
   * @throws ConvLSTMError ERR_FORMAT for bytes that `save` did not write, ERR_SHAPE for a state of
   *   other layers than these; the stream is then as it was
   */
  load(bytes: Uint8Array): this {
    this.#expectLive();
    const saved = decodeState(bytes);
    if (saved.layers.length === 0) return this.reset();
    const channels = formatShape(saved.layers.map((layer) => layer.channels));
    const hiddenDim = formatShape(this.#cells.map((cell) => cell.hiddenDim));
    if (channels !== hiddenDim) {
      throw new ConvLSTMError(
        'ERR_SHAPE',
        `saved stream: expected layers with hiddenDim ${hiddenDim}, got ${channels}`,
      );
    }
    this.#replace(this.#upload(saved));
    return this;
  }

  #upload({ batch, height, width, layers }: SavedState): State[] {
    const options = { device: this.#device };
    return layers.map(({ channels, h, c }) => {
      const shape = [batch, channels, height, width];
      return { h: Tensor.from(h, shape, options), c: Tensor.from(c, shape, options) };
    });
  }

  /** Forgets every frame: the next step starts from zeros. */
  reset(): this {
    this.#expectLive();
    this.#replace(null);
    return this;
  }

  /** Frees the state. Idempotent; using the stream afterwards throws ERR_DISPOSED. */
  dispose(): void {
    this.#replace(null);
    this.#disposed = true;
  }

  /** `using stream = ...` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #replace(states: State[] | null): void {
    if (this.#states) disposeStates(this.#states);
    this.#states = states;
  }

  /** The state fits the layers and a frame of `shape`, whose channels are the first cell's to check. */
  #expectFitting(shape: readonly number[]): void {
    const state = this.#states?.[0]?.h;
    if (!state) return;
    if (state.device !== this.#device) {
      throw new ConvLSTMError(
        'ERR_DEVICE',
        `stream: the layers were moved to '${this.#device}' but the state is on '${state.device}'; ` +
          'load(await save()) brings it there',
      );
    }
    if (shape.length !== 4) return;
    const expected = state.shape.with(1, this.#cells[0]!.inputDim);
    if ([0, 2, 3].every((axis) => shape[axis] === expected[axis])) return;
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `frame: expected ${formatShape(expected)} as before, got ${formatShape(shape)}; reset() starts afresh`,
    );
  }

  #expectLive(): void {
    if (this.#disposed) throw new ConvLSTMError('ERR_DISPOSED', 'the stream was disposed');
  }
}

function disposeStates(states: readonly State[]): void {
  for (const { h, c } of states) {
    h.dispose();
    c.dispose();
  }
}
