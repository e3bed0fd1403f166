import type { Shape, Storage } from '../../binding.js';
import { backward, checkBackward } from '../autograd/tape.js';
import { type Device, defaultDevice } from '../backend.js';
import type { Axes, Bounds, Operand, ReduceOptions } from '../functional/index.js';
import * as functional from '../functional/index.js';
import { runTensor } from '../functional/run.js';
import { checkNames, checkNumber } from '../options.js';
import { type TensorSource, toElements } from './convert.js';
import { normalValues, uniformValues } from './random.js';
import { RecordedTensor } from './recorded-tensor.js';
import { checkShape, elementCount } from './shape.js';
import { StorageHandle } from './storage-handle.js';

/** Options of the functions that create a tensor. */
export interface TensorOptions {
  /** Default: CONVLSTM_DEVICE, else `'cpu'`. */
  device?: Device | undefined;
}

function deviceIn(options: TensorOptions): Device | undefined {
  checkNames('Tensor', options, { device: true });
  return options.device;
}

/**
 * Float32 elements with a shape, on a device. Immutable: every operation makes a new tensor, at once;
 * the values are there when `await data()` resolves.
 *
 * Memory goes when the tensor is collected, or at once with `dispose()` or `using`.
 *
 * @example
 * ```ts
 * const x = Tensor.from([[1, 2], [3, 4]]);
 * const y = x.mul(2).add(1);
 * await y.toArray(); // [[3, 5], [7, 9]]
 * ```
 */
export class Tensor extends RecordedTensor {
  /** @internal */
  static fromStorage(storage: Storage, shape: Shape, device: Device): Tensor {
    return new Tensor(new StorageHandle(storage), shape, device);
  }

  /**
   * A tensor of numbers, nested arrays, a typed array of any kind, or anything with `{ data, shape }`.
   * Values are converted to float32 and copied. `shape` defaults to that of the source; a flat array
   * has one axis.
   *
   * @throws ConvLSTMError ERR_SHAPE for ragged arrays or a shape that does not fit, ERR_DTYPE for
   *   elements that are no numbers, ERR_OPTION for `fortranOrder: true`, ERR_DEVICE
   * @example
   * ```ts
   * Tensor.from([[1, 2, 3], [4, 5, 6]]);
   * Tensor.from(new Float64Array(6), [2, 3]);
   * Tensor.from({ data: output.data, shape: output.dims }); // a tensor of onnxruntime-node
   * ```
   */
  static from(source: TensorSource | Tensor, shape?: Shape, options: TensorOptions = {}): Tensor {
    if (source instanceof Tensor) {
      const moved = source.to(deviceIn(options) ?? source.device);
      if (!shape) return moved;
      const reshaped = moved.reshape(shape);
      moved.dispose();
      return reshaped;
    }
    const elements = toElements(source, shape);
    return Tensor.#upload(elements.values, elements.shape, options);
  }

  /**
   * Every element is 0.
   *
   * @example
   * ```ts
   * Tensor.zeros([2, 3]);
   * ```
   */
  static zeros(shape: Shape, options: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 0, options);
  }

  /**
   * Every element is 1.
   *
   * @example
   * ```ts
   * Tensor.ones([2, 3], { device: 'javascript' });
   * ```
   */
  static ones(shape: Shape, options: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 1, options);
  }

  /**
   * Every element is `value`.
   *
   * @example
   * ```ts
   * Tensor.full([2, 3], 0.5);
   * ```
   */
  static full(shape: Shape, value: number, options: TensorOptions = {}): Tensor {
    const sizes = checkShape(shape);
    checkNumber('value', value);
    return runTensor(deviceIn(options) ?? defaultDevice(), sizes, (backend) =>
      backend.fill(elementCount(sizes), value),
    );
  }

  /**
   * Even in [0, 1); the same on every device after `manualSeed`.
   *
   * @example
   * ```ts
   * manualSeed(1);
   * Tensor.rand([2, 3]);
   * ```
   */
  static rand(shape: Shape, options: TensorOptions = {}): Tensor {
    const sizes = checkShape(shape);
    return Tensor.#upload(uniformValues(elementCount(sizes), 0, 1), sizes, options);
  }

  /**
   * Normal with mean 0 and variance 1; the same on every device after `manualSeed`.
   *
   * @example
   * ```ts
   * manualSeed(1);
   * Tensor.randn([2, 3]);
   * ```
   */
  static randn(shape: Shape, options: TensorOptions = {}): Tensor {
    const sizes = checkShape(shape);
    return Tensor.#upload(normalValues(elementCount(sizes)), sizes, options);
  }

  /**
   * The parts one after another along an axis; their other sizes are equal.
   *
   * @throws ConvLSTMError ERR_SHAPE when they are not
   * @example
   * ```ts
   * Tensor.concat([Tensor.zeros([2, 3]), Tensor.ones([1, 3])]).shape; // [3, 3]
   * ```
   */
  static concat(parts: readonly Tensor[], axis = 0): Tensor {
    return functional.concat(parts, axis);
  }

  /**
   * The parts, all of one shape, along a new axis.
   *
   * @throws ConvLSTMError ERR_SHAPE when shapes differ
   * @example
   * ```ts
   * Tensor.stack([Tensor.zeros([3]), Tensor.ones([3])]).shape; // [2, 3]
   * ```
   */
  static stack(parts: readonly Tensor[], axis = 0): Tensor {
    return functional.stack(parts, axis);
  }

  static #upload(values: Float32Array, shape: Shape, options: TensorOptions): Tensor {
    return runTensor(deviceIn(options) ?? defaultDevice(), shape, (backend) =>
      backend.upload(values),
    );
  }

  /**
   * Adds the gradient of this tensor to the `grad` of every leaf it was computed from, and frees what
   * the graph had saved.
   *
   * @param gradient of what is differentiated in the end with respect to this tensor, of its shape; may
   *   be left out for one element and is 1 then
   * @throws ConvLSTMError ERR_OPTION when no leaf requires a gradient or the graph was used before,
   *   ERR_SHAPE for a gradient that does not fit or that is missing, ERR_DEVICE
   * @example
   * ```ts
   * const loss = mseLoss(net.forward(x).output, target);
   * loss.backward();
   * ```
   */
  backward(gradient?: Tensor): void {
    checkBackward(this, gradient);
    backward(this, gradient?.detach() ?? Tensor.ones(this.shape, { device: this.device }));
  }

  /** The same values, shared, with no memory of how they were computed. */
  detach(): Tensor {
    return this.share(this.shape);
  }

  /**
   * Another tensor on the same storage; not recorded.
   *
   * @internal
   */
  share(shape: Shape): Tensor {
    return new Tensor(this.retain(), shape, this.device);
  }

  /** A tensor of its own with the same values: disposing one leaves the other. */
  clone(): Tensor {
    return functional.reshape(this, this.shape);
  }

  /**
   * The same values on another device. Queued like any operation; only to and from `'javascript'` it
   * waits for them.
   *
   * @throws ConvLSTMError ERR_DEVICE for a device that is not there
   */
  to(device: Device): Tensor {
    return functional.toDevice(this, device);
  }

  /** The same elements in another shape; one size may be -1. Shares the memory. */
  reshape(shape: Shape): Tensor {
    return functional.reshape(this, shape);
  }

  /** One axis in place of those from `startAxis` to `endAxis`, both included. Shares the memory. */
  flatten(startAxis = 0, endAxis = -1): Tensor {
    return functional.flatten(this, startAxis, endAxis);
  }

  /** Without the named axes, which have size 1, or without all of size 1. Shares the memory. */
  squeeze(axes?: Axes): Tensor {
    return functional.squeeze(this, axes);
  }

  /** With a new axis of size 1 at `axis` of the result. Shares the memory. */
  unsqueeze(axis: number): Tensor {
    return functional.unsqueeze(this, axis);
  }

  /** Axis `k` of the result is axis `order[k]`. */
  permute(order: readonly number[]): Tensor {
    return functional.permute(this, order);
  }

  /** Two axes exchanged; the last two where none are named. */
  transpose(axisA = -2, axisB = -1): Tensor {
    return functional.transpose(this, axisA, axisB);
  }

  /**
   * `x[starts[0]:ends[0]:steps[0], ...]` as in Python, with steps of at least 1; null, and axes beyond
   * a list, are taken whole.
   *
   * @example
   * ```ts
   * x.slice([0, -3], [null, -1]); // x[0:, -3:-1]
   * ```
   */
  slice(starts: Bounds, ends: Bounds = [], steps: Bounds = []): Tensor {
    return functional.slice(this, starts, ends, steps);
  }

  /** The slice at `index` of one axis, without that axis; a negative index counts from the end. */
  select(axis: number, index: number): Tensor {
    return functional.select(this, axis, index);
  }

  /** `this + other`; shapes broadcast by NumPy's rules, as in all methods with an operand. */
  add(other: Operand): Tensor {
    return functional.add(this, other);
  }

  /** `this - other` */
  sub(other: Operand): Tensor {
    return functional.sub(this, other);
  }

  /** `this * other`, element by element. */
  mul(other: Operand): Tensor {
    return functional.mul(this, other);
  }

  /** `this / other`, element by element. */
  div(other: Operand): Tensor {
    return functional.div(this, other);
  }

  /** The larger of each pair; NaN where either is. */
  maximum(other: Operand): Tensor {
    return functional.maximum(this, other);
  }

  /** The smaller of each pair; NaN where either is. */
  minimum(other: Operand): Tensor {
    return functional.minimum(this, other);
  }

  /** 1 where `this > other`, else 0; nothing to differentiate. */
  greater(other: Operand): Tensor {
    return functional.greater(this, other);
  }

  /** 1 where `this === other`, else 0; nothing to differentiate. */
  equal(other: Operand): Tensor {
    return functional.equal(this, other);
  }

  /** `-x`, element by element. */
  neg(): Tensor {
    return functional.neg(this);
  }

  /** The magnitude of each element. */
  abs(): Tensor {
    return functional.abs(this);
  }

  /** e to the power of each element. */
  exp(): Tensor {
    return functional.exp(this);
  }

  /** The natural logarithm of each element: -Infinity for 0, NaN below. */
  log(): Tensor {
    return functional.log(this);
  }

  /** `x * x`, element by element. */
  square(): Tensor {
    return functional.square(this);
  }

  /** The square root of each element; NaN for a negative one. */
  sqrt(): Tensor {
    return functional.sqrt(this);
  }

  /** `1 / (1 + exp(-x))`, element by element. */
  sigmoid(): Tensor {
    return functional.sigmoid(this);
  }

  /** The hyperbolic tangent of each element. */
  tanh(): Tensor {
    return functional.tanh(this);
  }

  /** Each element, or 0 where it is negative. */
  relu(): Tensor {
    return functional.relu(this);
  }

  /** Each element, or `negativeSlope` times it where it is negative. */
  leakyRelu(negativeSlope = 0.01): Tensor {
    return functional.leakyRelu(this, negativeSlope);
  }

  /** The sum over axes, over all where none are named. */
  sum(axes?: Axes, options: ReduceOptions = {}): Tensor {
    return functional.sum(this, axes, options);
  }

  /** The mean over axes, over all where none are named. */
  mean(axes?: Axes, options: ReduceOptions = {}): Tensor {
    return functional.mean(this, axes, options);
  }

  /** The largest element over axes, over all where none are named; NaN where one is. */
  max(axes?: Axes, options: ReduceOptions = {}): Tensor {
    return functional.max(this, axes, options);
  }
}
