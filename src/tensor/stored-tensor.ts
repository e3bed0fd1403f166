import type { Shape, Storage } from '../../binding.js';
import { canonicalDevice, type Device } from '../backend.js';
import { ConvLSTMError, toConvLSTMError } from '../errors.js';
import { formatTensor } from './format.js';
import { type NestedArray, nest } from './nested.js';
import { noteCreated } from './scope.js';
import { checkOneElement, elementCount, formatShape } from './shape.js';
import type { StorageHandle } from './storage-handle.js';

const kNoClone = 'a Tensor is not copied: send `await tensor.data()` and `tensor.shape`; it';

/** `toJSON` has the elements of at most so many. */
const kJsonElements = 1000;

/** `depth` that `util.inspect` gives the outermost object. */
const kDefaultDepth = 2;

/** A tensor within another object of `console.log` shows at most so many elements, else none. */
const kNestedElements = 100;

/** What `JSON.stringify` writes of a tensor. */
export interface TensorJson {
  /** Type of the elements. */
  dtype: 'float32';
  /** Size of each axis. */
  shape: readonly number[];
  /** Elements in row-major order; absent for more than 1,000. `Tensor.from` takes this object then. */
  data?: number[];
  /** Why there is no `data`. */
  note?: string;
}

/** Storage of a tensor: its elements are read, shared and freed here. */
export abstract class StoredTensor {
  /** Always `'float32'`. */
  readonly dtype = 'float32';
  /**
   * This tensor's identity. Deep equality (Jest, Vitest, `node:assert`) sees it, so that two tensors are
   * equal only if they are one object; structured clones and `postMessage` refuse it by its text.
   */
  readonly id: symbol = Symbol(kNoClone);
  /** Sizes of the axes, the slowest-varying first; `[]` for a single number. */
  readonly shape: readonly number[];
  #handle: StorageHandle | null;
  #device: Device;

  /** Takes over one reference of `handle`. */
  protected constructor(handle: StorageHandle, shape: Shape, device: Device) {
    this.#handle = handle;
    this.shape = shape;
    this.#device = canonicalDevice(device);
    noteCreated(this);
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
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
    throw new ConvLSTMError('ERR_DISPOSED', `the tensor ${formatShape(this.shape)} was disposed`);
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
    return nest(await this.data(), this.shape);
  }

  /** `toArray()`, synchronously: blocks the thread until the elements are there. */
  toArraySync(): NestedArray {
    return nest(this.dataSync(), this.shape);
  }

  /**
   * The element of a tensor that has one.
   *
   * @throws ConvLSTMError ERR_SHAPE for another number of elements
   */
  async item(): Promise<number> {
    checkOneElement('item', this.shape);
    return (await this.data())[0]!;
  }

  /** `item()`, synchronously: blocks the thread until the element is there. */
  itemSync(): number {
    checkOneElement('item', this.shape);
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
    const head = this.#head();
    if (this.#handle === null) return `${head}, disposed)`;
    try {
      return `${head})\n${formatTensor(this.dataSync(), this.shape)}`;
    } catch (error) {
      return `${head}, ${toConvLSTMError(error).message})`;
    }
  }

  /**
   * For `JSON.stringify`: shape, and up to 1,000 elements. Blocks the thread until they are there.
   * JSON has no NaN and no infinity: they become null.
   *
   * @example
   * ```ts
   * JSON.stringify(Tensor.from([1, 2])); // {"dtype":"float32","shape":[2],"data":[1,2]}
   * ```
   */
  toJSON(): TensorJson {
    const head: TensorJson = { dtype: this.dtype, shape: this.shape };
    if (this.#handle === null) return { ...head, note: 'disposed' };
    if (this.size > kJsonElements) {
      return { ...head, note: `${this.size} elements are not shown: await tensor.data()` };
    }
    try {
      return { ...head, data: [...this.dataSync()] };
    } catch (error) {
      return { ...head, note: toConvLSTMError(error).message };
    }
  }

  /** Text for `console.log`; within another object the shape alone, if there are many elements. */
  [Symbol.for('nodejs.util.inspect.custom')](depth?: number | null): string {
    const nested = typeof depth === 'number' && depth < kDefaultDepth;
    return nested && this.size > kNestedElements ? `${this.#head()})` : this.toString();
  }

  #head(): string {
    return `Tensor(${formatShape(this.shape)}, ${this.dtype}, ${this.#device}`;
  }
}
