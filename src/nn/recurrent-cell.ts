import type { Pair, Shape } from '../../binding.js';
import { select } from '../functional/index.js';
import { checkCount, checkSize, type Size } from '../options.js';
import { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** The state of a recurrent layer: named tensors, one of them its output `h`. */
export type CellState = {
  /** The hidden state, which is the layer's output: [B, hiddenDim, H, W]. */
  h: Tensor;
};

/** Requires every property of a state to be a tensor. */
export type Tensors<S> = CellState & Record<keyof S, Tensor>;

/**
 * One recurrent layer. A subclass defines one step and the shapes of its state; sequences, streams,
 * saved states, `RecurrentStack` and training work from these.
 *
 * @example
 * ```ts
 * class Decay extends RecurrentCell {
 *   readonly inputDim = 1;
 *   readonly hiddenDim = 1;
 *   readonly rate = new Parameter(Tensor.full([1], 0.9));
 *   stateShapes(batchSize: number, imageSize: Pair) {
 *     return { h: [batchSize, 1, ...imageSize] };
 *   }
 *   forward(x: Tensor, state?: CellState | null) {
 *     return { h: state ? x.add(state.h.mul(this.rate)) : x.clone() };
 *   }
 * }
 * const stream = new RecurrentStack([new Decay()]).stream();
 * ```
 */
export abstract class RecurrentCell<S extends Tensors<S> = CellState> extends Module {
  /** Channels of the input. */
  abstract readonly inputDim: number;
  /** Channels of h. */
  abstract readonly hiddenDim: number;

  /**
   * Names and shapes of the state's tensors.
   *
   * @param imageSize [height, width] of the input
   */
  abstract stateShapes(batchSize: number, imageSize: Pair): Readonly<Record<keyof S, Shape>>;

  /**
   * One step.
   *
   * @param x [B, inputDim, H, W]
   * @param state of the previous step; default: zeros
   * @returns the new state, in new tensors
   */
  abstract forward(x: Tensor, state?: S | null): S;

  /**
   * The state before the first step: zeros.
   *
   * @param imageSize [height, width]
   */
  initHidden(batchSize: number, imageSize: Size): S {
    const count = checkCount('batchSize', batchSize);
    const shapes = this.stateShapes(count, checkSize('imageSize', imageSize));
    const device = this.parameters()[0]?.device;
    const entries = Object.entries<Shape>(shapes).map(
      ([name, shape]) => [name, Tensor.zeros(shape, { device })] as const,
    );
    return Object.fromEntries(entries) as unknown as S;
  }

  /**
   * A whole sequence, step by step. Cells with one operation for a sequence override it.
   *
   * @param x [T, B, inputDim, H, W], or [B, T, inputDim, H, W] with `batchFirst`
   * @returns h of every step in the layout of x, and the last state
   */
  forwardSequence(x: Tensor, state: S | null, batchFirst: boolean): SequenceResult<S> {
    const axis = batchFirst ? 1 : 0;
    const states: S[] = [];
    for (let t = 0; t < x.shape[axis]!; t++) {
      using frame = select(x, axis, t);
      states.push(this.forward(frame, states.at(-1) ?? state));
    }
    const output = Tensor.stack(
      states.map(({ h }) => h),
      axis,
    );
    const last = states.pop()!;
    for (const past of states) disposeState(past);
    return { output, state: last };
  }
}

/** What `RecurrentCell.forwardSequence` returns. */
export interface SequenceResult<S> {
  /** h of every step: [T, B, hiddenDim, H, W], or [B, T, hiddenDim, H, W] with `batchFirst`. */
  output: Tensor;
  /** The state after the last step. */
  state: S;
}

/** @internal */
export function disposeState(state: CellState): void {
  for (const tensor of Object.values<Tensor>(state)) tensor.dispose();
}

/** A state whose tensors share the same values. @internal */
export function cloneState<S extends Tensors<S>>(state: S): S {
  const entries = Object.entries<Tensor>(state as CellState);
  return Object.fromEntries(
    entries.map(([name, tensor]) => [name, tensor.clone()]),
  ) as unknown as S;
}
