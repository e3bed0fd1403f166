import { noGrad } from '../autograd/grad-mode.js';
import type { LoadStateDictOptions } from '../nn/index.js';
import { checkChoice } from '../options.js';
import type { TensorLike } from '../tensor/convert.js';
import { sameShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * Order of a patch's values along the channel axis: `'channels-first'` [C, ph, pw], as PixelUnshuffle, or
 * `'channels-last'` [ph, pw, C], as OpenSTL's `reshape_patch`. The same for one channel.
 */
export type PatchOrder = 'channels-first' | 'channels-last';

/** Options of `Forecaster.loadStateDict`. */
export interface LoadForecasterOptions extends LoadStateDictOptions {
  /** Order of the patches that the dict's weights were trained on; default `'channels-first'`. */
  patchOrder?: PatchOrder | undefined;
}

/** @throws ConvLSTMError ERR_OPTION @internal */
export function checkPatchOrder(order: PatchOrder): PatchOrder {
  return checkChoice('patchOrder', order, ['channels-first', 'channels-last']);
}

/** Reorders the first `channels * pixels` entries of an axis from [pixels, channels]. */
function channelsFirst(values: Tensor, axis: 0 | 1, channels: number, pixels: number): Tensor {
  const end = channels * pixels;
  const at = (...entry: [number | null]) => (axis === 0 ? entry : [null, ...entry]);
  const parts = Array.from({ length: channels }, (_, c) =>
    values.slice(at(c), at(end), at(channels)),
  );
  parts.push(values.slice(at(end)));
  try {
    return Tensor.concat(parts, axis);
  } finally {
    for (const part of parts) part.dispose();
  }
}

/** Axis that holds a patch's values, by key. */
const kPatchAxes: ReadonlyMap<string, 0 | 1> = new Map([
  ['cell_list.0.conv.weight', 1],
  ['head.weight', 0],
  ['head.bias', 0],
]);

/** Weights by key. */
export type Weights = Readonly<Record<string, Tensor | TensorLike>>;

/**
 * A dict whose weights that see patches are reordered from channels last to channels first, and those new
 * tensors. Entries unlike `parameters` stay for `loadStateDict` to name.
 *
 * @param pixels of a patch
 * @internal
 */
export function reorderPatches(
  dict: Weights,
  parameters: ReadonlyMap<string, Tensor>,
  prefix: string,
  channels: number,
  pixels: number,
): { dict: Weights; made: Tensor[] } {
  const reordered = { ...dict };
  const made: Tensor[] = [];
  for (const [name, axis] of kPatchAxes) {
    const value = dict[prefix + name];
    const expected = parameters.get(name)?.shape;
    if (!expected || !Array.isArray(value?.shape) || !sameShape(value.shape, expected)) continue;
    using values = noGrad(() => Tensor.from(value));
    made.push(noGrad(() => channelsFirst(values, axis, channels, pixels)));
    reordered[prefix + name] = made.at(-1)!;
  }
  return { dict: reordered, made };
}
