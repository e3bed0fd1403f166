import type { Storage } from '../../binding.js';

/**
 * A storage shared by tensors (a reshape shares it with its source): it is disposed with the last of
 * them. A tensor that is collected without `dispose()` never counts down, but then the backend's
 * storage is finalised with its last handle.
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
