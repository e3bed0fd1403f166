/**
 * The saved state of a stream, little-endian:
 *
 *   0  'CONVLSTM'         8  version, 2          12  CRC-32 of the rest
 *  16  a safetensors file: tensors `<layer>.<name>`, such as `0.h`, `0.c`, `1.h`
 *
 * A stream that has seen no frame has no tensors. Version 1, still read, had h and c only:
 *
 *  16  layers            20  batch, height, width
 *  32  channels of each layer, then h and c of each layer as float32
 */
import { crc32 } from 'node:zlib';
import { ConvLSTMError, show } from '../errors.js';
import type { NdArray } from '../io/nd-array.js';
import { decodeNumbers } from '../io/numbers.js';
import { save } from '../io/safetensors.js';
import { checkHeaderLength, parseHeader } from '../io/safetensors-header.js';
import type { Tensor } from '../tensor/tensor.js';
import { type CellState, cloneState, disposeState } from './recurrent-cell.js';

/** The tensors of one layer's state by name. */
export type SavedState = Readonly<Record<string, NdArray>>;

const kMagic = 'CONVLSTM';
const kVersion = 2;
const kChecksumAt = 12;
const kHeaderBytes = 16;
const kSource = 'saved stream';

/** Encodes the states as they are at the call: later steps do not change what is written. */
export async function encodeStates(states: readonly CellState[]): Promise<Uint8Array> {
  const shares = states.map(cloneState);
  try {
    const tensors = shares.flatMap((state, layer) =>
      Object.entries<Tensor>(state).map(([name, tensor]) => [`${layer}.${name}`, tensor] as const),
    );
    const file = await save(null, Object.fromEntries(tensors));
    const bytes = new Uint8Array(kHeaderBytes + file.length);
    const view = new DataView(bytes.buffer);
    bytes.set(new TextEncoder().encode(kMagic));
    view.setUint32(8, kVersion, true);
    view.setUint32(kChecksumAt, crc32(file), true);
    bytes.set(file, kHeaderBytes);
    return bytes;
  } finally {
    shares.forEach(disposeState);
  }
}

function refuse(message: string): never {
  throw new ConvLSTMError('ERR_FORMAT', `${kSource}: ${message}`);
}

/** Decodes one state per layer. Allocates no more than `bytes` holds. */
export function decodeStates(bytes: Uint8Array): SavedState[] {
  if (!(bytes instanceof Uint8Array)) {
    throw new ConvLSTMError('ERR_OPTION', `${kSource}: expected a Uint8Array, got ${show(bytes)}`);
  }
  if (bytes.length < kHeaderBytes) {
    refuse(`expected at least ${kHeaderBytes} bytes, got ${bytes.length}`);
  }
  const magic = String.fromCharCode(...bytes.subarray(0, kMagic.length));
  if (magic !== kMagic) refuse('expected bytes written by save(), got others');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint32(8, true);
  const decoders: Readonly<Record<number, (body: Uint8Array) => SavedState[]>> = {
    1: decodeVersion1,
    2: decodeVersion2,
  };
  const decode = decoders[version];
  if (!decode) refuse(`expected version 1 or ${kVersion}, got ${version}`);
  const body = bytes.subarray(kHeaderBytes);
  if (view.getUint32(kChecksumAt, true) !== crc32(body)) refuse('the checksum does not match');
  return decode(body);
}

function decodeVersion2(file: Uint8Array): SavedState[] {
  if (file.length < 8) refuse(`expected a header of at least 8 bytes, got ${file.length}`);
  const claimed = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  const dataStart = 8 + checkHeaderLength(kSource, claimed, file.length);
  const header = parseHeader(kSource, file.subarray(8, dataStart), file.length - dataStart);
  const layers: Record<string, NdArray>[] = [];
  for (const { name, dtype, shape, begin, end } of header.tensors) {
    const [, layer, key] =
      /^(\d+)\.(\w+)$/.exec(name) ?? refuse(`tensor ${name}: expected a name <layer>.<tensor>`);
    // Layers are consecutive: a large number must not allocate a list up to it.
    if (dtype !== 'F32' || Number(layer) > layers.length)
      refuse(`tensor ${name}: expected F32 of layer ${layers.length} or before, got ${dtype}`);
    if (Number(layer) === layers.length) layers.push(Object.create(null));
    const state = layers[Number(layer)]!;
    const data = decodeNumbers(dtype, file.subarray(dataStart + begin, dataStart + end));
    state[key!] = { data, shape };
  }
  return layers;
}

function decodeVersion1(body: Uint8Array): SavedState[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (body.length < 16) refuse(`expected at least 16 bytes of sizes, got ${body.length}`);
  const field = (k: number) => view.getUint32(4 * k, true);
  const [layerCount, batch, height, width] = [field(0), field(1), field(2), field(3)];
  let at = 16 + 4 * layerCount;
  if (at > body.length) refuse(`${layerCount} layers do not fit ${body.length} bytes`);
  const shapes = Array.from({ length: layerCount }, (_, k) => [batch, field(4 + k), height, width]);
  const counts = shapes.map((shape) => shape.reduce((product, size) => product * size, 1));
  const expected = counts.reduce((sum, count) => sum + 8 * count, at);
  if (expected !== body.length || counts.includes(0)) {
    refuse(`its sizes need ${expected} bytes, got ${body.length}`);
  }
  return shapes.map((shape, layer) => {
    const read = () => {
      const begin = at;
      at += 4 * counts[layer]!;
      return { data: decodeNumbers('F32', body.subarray(begin, at)), shape };
    };
    return { h: read(), c: read() };
  });
}
