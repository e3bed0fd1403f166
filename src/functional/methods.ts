/**
 * Operations as methods of `Tensor`: `x.add(y)` for `add(x, y)`. Every function that binary, permute,
 * reduce, reshape, slice or unary exports is a method, with its parameters and doc comment. They are added
 * here, not in the class, so that `tensor` depends neither on `autograd` nor on `functional`.
 */
import * as tape from '../autograd/tape.js';
import { Tensor } from '../tensor/tensor.js';
import * as binary from './binary.js';
import { concat as concatenate, stack as stackUp } from './concat.js';
import * as permute from './permute.js';
import * as reduce from './reduce.js';
import * as reshape from './reshape.js';
import * as slice from './slice.js';
import { toDevice } from './to-device.js';
import * as unary from './unary.js';

type Operations = typeof binary &
  typeof permute &
  typeof reduce &
  typeof reshape &
  typeof slice &
  typeof unary & {
    /**
     * Adds the gradient of this tensor to the `grad` of every leaf it was computed from, and frees the
     * tensors that the graph had saved. `gradient` is that of the final value with respect to this tensor,
     * of its shape; default 1 for a tensor of one element.
     * @throws ConvLSTMError ERR_OPTION when no leaf requires a gradient or the graph was used before,
     *   ERR_SHAPE for a gradient that does not fit or is missing, ERR_DEVICE
     * @example
     * ```ts
     * const loss = mseLoss(net.forward(x).output, target);
     * loss.backward();
     * ```
     */
    backward: typeof tape.backward;
    /** The same values on another device, as `functional.toDevice`. */
    to: typeof toDevice;
  };

const operations: Operations = {
  ...binary,
  ...permute,
  ...reduce,
  ...reshape,
  ...slice,
  ...unary,
  backward: tape.backward,
  to: toDevice,
};

/** An operation without its first operand, which is the tensor before the dot. */
type Method<Operation> = Operation extends (x: never, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : never;

/** A mapped type keeps the doc comments. */
type Methods = { [Name in keyof Operations]: Method<Operations[Name]> };

declare module '../tensor/tensor.js' {
  interface Tensor extends Methods {}
  namespace Tensor {
    /** The parts one after another along an axis, as `functional.concat`. */
    const concat: typeof concatenate;
    /** The parts along a new axis, as `functional.stack`. */
    const stack: typeof stackUp;
  }
}

for (const [name, operation] of Object.entries(operations)) {
  const call = operation as (...operands: unknown[]) => unknown;
  Object.defineProperty(Tensor.prototype, name, {
    configurable: true,
    writable: true,
    value(this: Tensor, ...rest: unknown[]) {
      return call(this, ...rest);
    },
  });
}
Object.assign(Tensor, { concat: concatenate, stack: stackUp });
