import type { Shape, Storage } from '../../binding.js';
import { canonicalDevice, type Device } from '../backend.js';
import { ConvLSTMError, toConvLSTMError } from '../errors.js';
import { formatTensor } from './format.js';
import { type NestedArray, nest } from './nested.js';
import { noteCreated } from './scope.js';
import { checkOneElement, elementCount, formatShape } from './shape.js';
import type { StorageHandle } from './storage-handle.js';

/** Storage of a tensor: its elements are read, shared and freed here. */
export abstract class StoredTensor {
  /** Always `'float32'`. */
  readonly dtype = 'float32';
  #handle: StorageHandle | null;
  #shape: Shape;
  #device: Device;

  /** Takes over one reference of `handle`. */
  protected constructor(handle: StorageHandle, shape: Shape, device: Device) {
    this.#handle = handle;
    this.#shape = shape;
    this.#device = canonicalDevice(device);
    noteCreated(this);
  }

  /** Sizes of the axes, the slowest-varying first; `[]` for a single number. */
  get shape(): readonly number[] {
    return this.#shape;
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.#shape);
  }

  /** Device of the elements; `'cuda:0'` for a tensor created on `'cuda'`. */
  get device(): Device {
    return this.#device;
  }

  /** True after `dispose()`. */
  get disposed(): boolean {
    return this.#handle === null;
  }

  /** @internal */
  get storage(): Storage {
    return this.#live().storage;
  }

  #live(): StorageHandle {
    if (this.#handle) return this.#handle;
    throw new ConvLSTMError('ERR_DISPOSED', `the tensor ${formatShape(this.#shape)} was disposed`);
  }

  /**
   * The elements in row-major order, in a new array.
   *
   * @throws ConvLSTMError ERR_DISPOSED; the promise rejects with the error of a failed computation
   * @example
   * ```ts
   * await Tensor.from([[1, 2], [3, 4]]).data(); // Float32Array [1, 2, 3, 4]
   * ```
   */
  async data(): Promise<Float32Array<ArrayBuffer>> {
    try {
      return await this.storage.data();
    } catch (error) {
      throw toConvLSTMError(error);
    }
  }

  /**
   * `data()`, synchronously: blocks the thread until the elements are there. A loop that never awaits
   * gives the garbage collector no turn, so dispose its tensors.
   */
  dataSync(): Float32Array<ArrayBuffer> {
    try {
      return this.storage.dataSync();
    } catch (error) {
      throw toConvLSTMError(error);
    }
  }

  /** The elements as nested arrays; a number for shape []. */
  async toArray(): Promise<NestedArray> {
    return nest(await this.data(), this.#shape);
  }

  /** `toArray()`, synchronously: blocks the thread until the elements are there. */
  toArraySync(): NestedArray {
    return nest(this.dataSync(), this.#shape);
  }

  /**
   * The element of a tensor that has one.
   *
   * @throws ConvLSTMError ERR_SHAPE for another number of elements
   */
  async item(): Promise<number> {
    checkOneElement('item', this.#shape);
    return (await this.data())[0]!;
  }

  /** `item()`, synchronously: blocks the thread until the element is there. */
  itemSync(): number {
    checkOneElement('item', this.#shape);
    return this.dataSync()[0]!;
  }

  /**
   * Frees the memory at once, unless another tensor shares it (a reshape does) or a queued operation
   * needs it. Idempotent; later use of the tensor throws ERR_DISPOSED.
   */
  dispose(): void {
    this.#handle?.release();
    this.#handle = null;
  }

  /** `using x = Tensor.from(...)` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * A new reference, for the constructor of another tensor.
   *
   * @internal
   */
  retain(): StorageHandle {
    return this.#live().retain();
  }

  /**
   * Takes the values of another tensor of the same shape; optimizers and `loadStateDict` do so.
   *
   * @internal
   */
  assign(source: StoredTensor): void {
    const handle = source.retain();
    this.#live().release();
    this.#handle = handle;
    this.#device = source.#device;
  }

  /**
   * Shape, device and values, long axes shortened. Blocks the thread until the values are there.
   */
  toString(): string {
    const head = `Tensor(${formatShape(this.#shape)}, ${this.dtype}, ${this.#device}`;
    if (this.#handle === null) return `${head}, disposed)`;
    try {
      return `${head})\n${formatTensor(this.dataSync(), this.#shape)}`;
    } catch (error) {
      return `${head}, ${toConvLSTMError(error).message})`;
    }
  }

  /** Text for `console.log`. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
