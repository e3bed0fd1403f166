import { endianness } from 'node:os';

const kHostIsLittle = endianness() === 'LE';

const kScratch = new DataView(new ArrayBuffer(4));

function floatFromBits(bits: number): number {
  kScratch.setUint32(0, bits);
  return kScratch.getFloat32(0);
}

/** Decodes IEEE 754 binary16. */
function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Decodes float8 E4M3 of safetensors and PyTorch (`float8_e4m3fn`): bias 7, no infinities. */
function fromE4M3(byte: number): number {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 3) & 0xf;
  const fraction = byte & 7;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  if (exponent === 0xf && fraction === 7) return NaN;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}

type Reader = (view: DataView, offset: number, little: boolean) => number;

/** Number types of files by safetensors' names: bytes per element and reader. */
const kReaders = {
  F64: [8, (view, offset, little) => view.getFloat64(offset, little)],
  F32: [4, (view, offset, little) => view.getFloat32(offset, little)],
  F16: [2, (view, offset, little) => fromHalf(view.getUint16(offset, little))],
  BF16: [2, (view, offset, little) => floatFromBits(view.getUint16(offset, little) << 16)],
  F8_E4M3: [1, (view, offset) => fromE4M3(view.getUint8(offset))],
  // The upper byte of a binary16.
  F8_E5M2: [1, (view, offset) => fromHalf(view.getUint8(offset) << 8)],
  I64: [8, (view, offset, little) => Number(view.getBigInt64(offset, little))],
  U64: [8, (view, offset, little) => Number(view.getBigUint64(offset, little))],
  I32: [4, (view, offset, little) => view.getInt32(offset, little)],
  U32: [4, (view, offset, little) => view.getUint32(offset, little)],
  I16: [2, (view, offset, little) => view.getInt16(offset, little)],
  U16: [2, (view, offset, little) => view.getUint16(offset, little)],
  I8: [1, (view, offset) => view.getInt8(offset)],
  U8: [1, (view, offset) => view.getUint8(offset)],
} as const satisfies Record<string, readonly [number, Reader]>;

/** @internal */
export type NumberType = keyof typeof kReaders;

/** Bytes per element. @internal */
export function bytesPerElement(type: NumberType): number {
  return kReaders[type][0];
}

/**
 * Decodes the numbers in `bytes` to float32, rounded to nearest. The result is a view of `bytes`, not a
 * copy, for little-endian float32 at an aligned address.
 *
 * @internal
 */
export function decodeNumbers(type: NumberType, bytes: Uint8Array, little = true): Float32Array {
  const [size, read]: readonly [number, Reader] = kReaders[type];
  const count = bytes.byteLength / size;
  if (type === 'F32' && little && kHostIsLittle && bytes.byteOffset % 4 === 0) {
    return new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, count);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = read(view, i * size, little);
  return values;
}

/** Little-endian bytes of float32; a view of `values` on a little-endian machine. @internal */
export function encodeFloat32(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return kHostIsLittle ? bytes : Buffer.from(bytes).swap32();
}
