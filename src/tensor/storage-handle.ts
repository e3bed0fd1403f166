import type { Storage } from '../../binding.js';

/**
 * Reference count of a storage that tensors share, as a reshape does with its source; the last `release()`
 * disposes it. A tensor collected without `dispose()` never counts down; the backend's finaliser frees
 * the storage then.
 */
export class StorageHandle {
  readonly storage: Storage;
  #references = 1;

  constructor(storage: Storage) {
    this.storage = storage;
  }

  retain(): this {
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references === 0) this.storage.dispose();
  }
}
