import { type ByteSource, formatError, readBytes, sourceName } from '../io/files.js';
import { safeElementCount } from '../io/nd-array.js';

/** An array of bytes, such as MNIST's digits [count, 28, 28]. */
export interface IdxArray {
  /** Values in row-major order. */
  data: Uint8Array;
  /** Sizes of the axes, such as [10000, 28, 28]. */
  shape: number[];
}

const kUnsignedByte = 0x08;

/**
 * Reads an uncompressed IDX file of unsigned bytes, the format of MNIST's images and labels.
 *
 * @throws ConvLSTMError ERR_FORMAT for any other content, ERR_IO for a file that cannot be read
 * @example
 * ```ts
 * const digits = await loadIdx('t10k-images-idx3-ubyte');   // shape [10000, 28, 28]
 * ```
 */
export async function loadIdx(source: ByteSource): Promise<IdxArray> {
  const name = sourceName(source);
  const bytes = await readBytes(source);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0)
    throw formatError(name, 'is not an IDX file');
  if (bytes[2] !== kUnsignedByte) {
    throw formatError(name, `expected unsigned bytes (type 8), got type ${bytes[2]}`);
  }
  const rank = bytes[3]!;
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw formatError(name, `${rank} dimensions do not fit the file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const got = bytes.length - start;
  if (rank === 0 || safeElementCount(shape) !== got) {
    throw formatError(name, `[${shape}] does not match the ${got} bytes that follow`);
  }
  return { data: new Uint8Array(bytes.subarray(start)), shape };
}
