import { type FileHandle, open } from 'node:fs/promises';
import { ConvLSTMError } from '../errors.js';
import {
  formatError,
  ioError,
  type ListedSource,
  sourceName,
  systemPath,
  toBytes,
} from './files.js';

/** Bytes by offset, of a file or of memory. @internal */
export interface RandomAccess {
  /** Name in messages. */
  name: string;
  /** Bytes. */
  size: number;
  /** Bytes `begin` to `end`; a view for memory. Callers keep the range within `size`. */
  read(begin: number, end: number): Promise<Uint8Array>;
}

/** Opens a source for as long as `use` runs. @internal */
export type Access = <T>(use: (file: RandomAccess) => Promise<T>) => Promise<T>;

/** Largest single read: Node takes at most 2^31 - 1 bytes. */
const kMaxRead = 2 ** 30;

const inMemory = (name: string, bytes: Uint8Array): RandomAccess => ({
  name,
  size: bytes.length,
  read: async (begin, end) => bytes.subarray(begin, end),
});

/** Runs `use` on a source, which is open until `use` is done. @internal */
export async function withRandomAccess<T>(
  source: ListedSource,
  use: (file: RandomAccess) => Promise<T>,
): Promise<T> {
  const path = systemPath(source);
  const name = sourceName(source);
  if (path === null) {
    const bytes = toBytes(source as Uint8Array | ArrayBuffer);
    return use(inMemory(name, bytes));
  }
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const handle = file;
    const info = await handle.stat();
    if (info.isFIFO()) {
      const bytes = await handle.readFile();
      return await use(inMemory(name, bytes));
    }
    if (!info.isFile()) throw new ConvLSTMError('ERR_IO', `${name}: is not a regular file`);
    const read = async (begin: number, end: number) => {
      const bytes = new Uint8Array(end - begin);
      for (let done = 0; done < bytes.length; ) {
        const length = Math.min(kMaxRead, bytes.length - done);
        const position = begin + done;
        const { bytesRead } = await handle.read(bytes, { offset: done, length, position });
        if (bytesRead === 0) throw formatError(name, 'was cut short while it was read');
        done += bytesRead;
      }
      return bytes;
    };
    return await use({ name, size: info.size, read });
  } catch (error) {
    throw ioError('read', name, error);
  } finally {
    await file?.close();
  }
}
