/** Decoded blocks of frames, least recently used first; at least the last one stays. @internal */
export class BlockCache {
  /** Bytes are 0 while a block is being read. */
  readonly #blocks = new Map<string, { value: Promise<unknown>; bytes: number }>();
  readonly #limit: number;
  #bytes = 0;
  #files = 0;

  /** @param limit bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Makes a prefix of keys that no other file has. */
  newFile(): string {
    return `${this.#files++}:`;
  }

  async get<T>(key: string, load: () => Promise<T>, bytesOf: (value: T) => number): Promise<T> {
    const block = this.#blocks.get(key) ?? { value: load(), bytes: 0 };
    this.#blocks.delete(key);
    this.#blocks.set(key, block);
    try {
      const value = (await block.value) as T;
      if (block.bytes === 0 && this.#blocks.get(key) === block) {
        block.bytes = bytesOf(value);
        this.#bytes += block.bytes;
        this.#evict();
      }
      return value;
    } catch (error) {
      if (this.#blocks.get(key) === block) this.#blocks.delete(key);
      throw error;
    }
  }

  #evict(): void {
    for (const [key, { bytes }] of this.#blocks) {
      if (this.#bytes <= this.#limit || this.#blocks.size === 1) return;
      if (bytes === 0) continue;
      this.#blocks.delete(key);
      this.#bytes -= bytes;
    }
  }
}
