import type { Shape, Storage } from '../../binding.js';
import { type Device, defaultDevice, run } from '../backend.js';
import { ConvLSTMError } from '../errors.js';
import { checkNames, checkNumber } from '../options.js';
import { type TensorSource, toElements } from './convert.js';
import { normalValues, uniformValues } from './random.js';
import { checkShape, elementCount } from './shape.js';
import { StorageHandle } from './storage-handle.js';
import { StoredTensor } from './stored-tensor.js';

/** Options of functions that create a tensor. */
export interface TensorOptions {
  /** Default: CONVLSTM_DEVICE, else `'cpu'`. */
  device?: Device | undefined;
}

function deviceIn(options: TensorOptions): Device | undefined {
  checkNames('Tensor', options, { device: true });
  return options.device;
}

/**
 * Float32 elements with a shape, on a device. Immutable: every operation returns a new tensor at once and
 * computes its values in the background; `await data()` waits for them.
 *
 * The garbage collector frees the memory, `dispose()` or `using` frees it at once.
 *
 * @example
 * ```ts
 * const x = Tensor.from([[1, 2], [3, 4]]);
 * const y = x.mul(2).add(1);
 * await y.toArray(); // [[3, 5], [7, 9]]
 * ```
 */
export class Tensor extends StoredTensor {
  /**
   * Sum of the gradients that `backward()` found for this leaf; null before, and for other tensors. An
   * optimizer's `zeroGrad()` sets it to null.
   */
  grad: Tensor | null = null;
  /**
   * The recorded operation that made this tensor; `autograd/tape.ts` alone knows its type.
   *
   * @internal
   */
  history: object | null = null;
  #requiresGrad = false;

  /** @internal */
  static fromStorage(storage: Storage, shape: Shape, device: Device): Tensor {
    return new Tensor(new StorageHandle(storage), shape, device);
  }

  /**
   * A tensor from numbers, nested arrays, a typed array of any kind, or `{ data, shape }`. Values are
   * converted to float32 and copied. A tensor is moved to `device` and stays in the graph.
   *
   * @param shape default: the shape of the source; a flat array has one axis
   * @throws ConvLSTMError ERR_SHAPE for ragged arrays or a shape that does not fit, ERR_DTYPE for
   *   elements that are not numbers, ERR_OPTION for another source or `fortranOrder: true`, ERR_DEVICE
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
    const device = deviceIn(options) ?? defaultDevice();
    const storage = run(device, (backend) => backend.fill(elementCount(sizes), value));
    return Tensor.fromStorage(storage, sizes, device);
  }

  /**
   * Uniform in [0, 1); the same on every device after `manualSeed`.
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
   * Standard normal; the same on every device after `manualSeed`.
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

  static #upload(values: Float32Array, shape: Shape, options: TensorOptions): Tensor {
    const device = deviceIn(options) ?? defaultDevice();
    const storage = run(device, (backend) => backend.upload(values));
    return Tensor.fromStorage(storage, shape, device);
  }

  /**
   * True if `backward()` computes a gradient for this tensor. Set it on a leaf; results computed from it
   * require gradients too, except inside `noGrad`.
   *
   * @throws ConvLSTMError ERR_OPTION when set on the result of a recorded operation
   * @example
   * ```ts
   * const x = Tensor.from([1, 2, 3]);
   * x.requiresGrad = true;
   * x.square().sum().backward();
   * await x.grad!.toArray(); // [2, 4, 6]
   * ```
   */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.history !== null;
  }

  /** Settable on leaves. */
  set requiresGrad(value: boolean) {
    if (this.history) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        'requiresGrad: expected a leaf, got the result of a recorded operation; detach() it first',
      );
    }
    this.#requiresGrad = value;
  }

  /** True unless a recorded operation made this tensor. */
  get isLeaf(): boolean {
    return this.history === null;
  }

  /** A tensor on the same memory without the graph: `backward()` ends here. */
  detach(): Tensor {
    return this.share(this.shape);
  }

  /**
   * Another tensor on the same storage, not recorded.
   *
   * @internal
   */
  share(shape: Shape): Tensor {
    return new Tensor(this.retain(), shape, this.device);
  }

  override dispose(): void {
    super.dispose();
    this.history = null;
  }
}
