import type { Shape, Storage } from '../../binding.js';
import { canonicalDevice, type Device } from '../backend.js';
import { ConvLSTMError, toConvLSTMError } from '../errors.js';
import { formatTensor } from './format.js';
import { type NestedArray, nest } from './nested.js';
import { noteCreated } from './scope.js';
import { checkOneElement, elementCount, formatShape } from './shape.js';
import type { StorageHandle } from './storage-handle.js';

/** The part of a tensor that knows where its elements are: how they are read, shared and freed. */
export abstract class StoredTensor {
  /** Always `'float32'`. */
  readonly dtype = 'float32';
  #handle: StorageHandle | null;
  #shape: Shape;
  #device: Device;

  /** Takes over one reference of `handle`. Tensors are made by `Tensor.from` and the like. */
  protected constructor(handle: StorageHandle, shape: Shape, device: Device) {
    this.#handle = handle;
    this.#shape = shape;
    this.#device = canonicalDevice(device);
    noteCreated(this);
  }

  /** Sizes of the axes, the slowest first; `[]` for a single number. */
  get shape(): readonly number[] {
    return this.#shape;
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.#shape);
  }

  /** Where the elements live: `'cuda:0'` for what was made on `'cuda'`. */
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
   * The elements in row-major order, in an array of the caller's own.
   *
   * @throws ConvLSTMError ERR_DISPOSED; the promise rejects with what went wrong while computing
   */
  async data(): Promise<Float32Array<ArrayBuffer>> {
    try {
      return await this.storage.data();
    } catch (error) {
      throw toConvLSTMError(error);
    }
  }

  /**
   * The same; blocks the thread until the elements are there. A loop that never awaits gives the collector
   * no turn: what nobody disposes in it stays.
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

  /** The same; blocks the thread until the elements are there. */
  toArraySync(): NestedArray {
    return nest(this.dataSync(), this.#shape);
  }

  /**
   * The one element of a tensor that has one.
   *
   * @throws ConvLSTMError ERR_SHAPE when it has another number of elements
   */
  async item(): Promise<number> {
    checkOneElement('item', this.#shape);
    return (await this.data())[0]!;
  }

  /** The same; blocks the thread until the element is there. */
  itemSync(): number {
    checkOneElement('item', this.#shape);
    return this.dataSync()[0]!;
  }

  /**
   * Frees the memory at once, unless another tensor shares it (a reshape does) or a queued operation
   * needs it. Idempotent; using the tensor afterwards throws ERR_DISPOSED.
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
   * A reference of its own for the constructor of another tensor.
   *
   * @internal
   */
  retain(): StorageHandle {
    return this.#live().retain();
  }

  /**
   * Takes the values of another tensor of the same shape: how parameters change.
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
   * For people: shape, device and values, long axes cut. Blocks the thread until the values are there.
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

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
