/**
 * The saved state of a stream, little-endian:
 *
 *   0  'CONVLSTM'         8  version, 1          12  CRC-32 of all that follows
 *  16  layers            20  batch, height, width
 *  32  channels of each layer, then h and c of each layer as float32
 *
 * A stream that has seen no frame has no layers.
 */
import { crc32 } from 'node:zlib';
import { ConvLSTMError } from '../errors.js';

/** Elements of h and c of one layer, [batch, channels, height, width] each. */
export interface SavedLayer {
  channels: number;
  h: Float32Array;
  c: Float32Array;
}

export interface SavedState {
  batch: number;
  height: number;
  width: number;
  layers: SavedLayer[];
}

const kMagic = 'CONVLSTM';
const kVersion = 1;
const kChecksumAt = 12;
const kHeaderBytes = 32;

export function encodeState(state: SavedState): Uint8Array {
  const { layers, batch, height, width } = state;
  const elements = layers.reduce((count, { h, c }) => count + h.length + c.length, 0);
  const bytes = new Uint8Array(kHeaderBytes + 4 * (layers.length + elements));
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(kMagic));
  view.setUint32(8, kVersion, true);
  [layers.length, batch, height, width].forEach((value, k) => {
    view.setUint32(16 + 4 * k, value, true);
  });
  let at = kHeaderBytes;
  for (const { channels } of layers) {
    view.setUint32(at, channels, true);
    at += 4;
  }
  for (const { h, c } of layers) {
    for (const values of [h, c]) {
      for (let k = 0; k < values.length; k++, at += 4) view.setFloat32(at, values[k]!, true);
    }
  }
  view.setUint32(kChecksumAt, crc32(bytes.subarray(kChecksumAt + 4)), true);
  return bytes;
}

function refuse(message: string): never {
  throw new ConvLSTMError('ERR_FORMAT', `saved stream: ${message}`);
}

/** Allocates only what `bytes` really holds. */
export function decodeState(bytes: Uint8Array): SavedState {
  if (!(bytes instanceof Uint8Array)) refuse('expected a Uint8Array');
  if (bytes.length < kHeaderBytes) {
    refuse(`expected at least ${kHeaderBytes} bytes, got ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = String.fromCharCode(...bytes.subarray(0, kMagic.length));
  if (magic !== kMagic) refuse('these bytes were not written by save()');
  const version = view.getUint32(8, true);
  if (version !== kVersion) refuse(`expected version ${kVersion}, got ${version}`);

  const field = (k: number) => view.getUint32(16 + 4 * k, true);
  const [layerCount, batch, height, width] = [field(0), field(1), field(2), field(3)];
  let at = kHeaderBytes + 4 * layerCount;
  if (at > bytes.length) refuse(`${layerCount} layers do not fit ${bytes.length} bytes`);
  const channels = Array.from({ length: layerCount }, (_, layer) =>
    view.getUint32(kHeaderBytes + 4 * layer, true),
  );
  const elements = channels.map((count) => batch * count * height * width);
  const expected = elements.reduce((sum, count) => sum + 8 * count, at);
  if (expected !== bytes.length || elements.includes(0)) {
    refuse(`sizes in the header ask for ${expected} bytes, got ${bytes.length}`);
  }
  if (view.getUint32(kChecksumAt, true) !== crc32(bytes.subarray(kChecksumAt + 4))) {
    refuse('the checksum does not fit');
  }

  const read = (count: number): Float32Array => {
    const values = new Float32Array(count);
    for (let k = 0; k < count; k++, at += 4) values[k] = view.getFloat32(at, true);
    return values;
  };
  const layers = channels.map((count, layer) => {
    const h = read(elements[layer]!);
    const c = read(elements[layer]!);
    return { channels: count, h, c };
  });
  return { batch, height, width, layers };
}
