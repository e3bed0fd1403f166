// What people give for safetensors by mistake: the error says what it is and what to do.
import { deflateRawSync, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { npy, safetensors } from '../../src/index.js';

/** A zip's first entry, with its local header. */
function zip(entry: string): Buffer {
  const header = Buffer.alloc(30);
  header.set([0x50, 0x4b, 3, 4]);
  header.writeUInt16LE(entry.length, 26);
  return Buffer.concat([header, Buffer.from(entry), deflateRawSync('x')]);
}

const latin1 = (text: string) => Buffer.from(text.padEnd(600, '\x01'), 'latin1');

it.each<[string, Uint8Array, RegExp]>([
  ['model.pt of PyTorch', zip('model/data.pkl'), /a PyTorch file \(zip\): .*save_file/],
  ['archive of TorchScript', zip('net/constants.pkl'), /a PyTorch file/],
  [
    'model.pt before PyTorch 1.6',
    latin1('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'),
    /a PyTorch file \(pickle\)/,
  ],
  ['a pickle of protocol 4', latin1('\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}'), /pickle/],
  ['weights.h5 of Keras', latin1('\x89HDF\r\n\x1a\n'), /a Keras file \(HDF5\)/],
  ['model.keras', zip('metadata.json'), /a Keras file \(\.keras, a zip\)/],
  ['an .npz', zip('arr_0.npy'), /a NumPy \.npz file/],
  ['an .npy', npy.encode({ data: new Float32Array(3), shape: [3] }), /a NumPy \.npy file/],
  ['another zip', zip('weights.safetensors'), /a zip archive of "weights\.safetensors": unpack/],
  ['model.onnx', latin1('\b\x07\x12\x07pytorch\x1a\x052.1.0:'), /an ONNX file/],
  ['saved_model.pb', latin1('\b\x01\x12\xff'), /a TensorFlow SavedModel/],
  ['model.tflite', latin1('\x1c\0\0\0TFL3'), /a TensorFlow Lite file/],
  ['model.gguf', latin1('GGUF\x03\0\0\0'), /a GGUF file/],
  [
    'an index as bytes',
    Buffer.from('{"weight_map": {"a": "b"}}'),
    /index of a sharded model: give the index's path/,
  ],
  [
    'model.json of TensorFlow.js',
    Buffer.from('{"format": "layers-model", "modelTopology": {}}'),
    /a TensorFlow\.js model/,
  ],
  ['config.json', Buffer.from('{\n  "hiddenDim": [64]}'), /got JSON/],
  ['a gzip', gzipSync('x'), /compressed with gzip: unpack it first/],
  ['an xz', latin1('\xfd7zXZ\0'), /compressed with xz/],
  ['a Zstandard file', latin1('\x28\xb5\x2f\xfd'), /compressed with Zstandard/],
  ['a tar', latin1(`${'a'.padEnd(257, '\0')}ustar`), /a tar archive/],
  ['an error page', Buffer.from('\n<!DOCTYPE html><html>404'), /a web page, .*download it again/],
  ['an error in XML', Buffer.from('<?xml version="1.0"?><Error/>'), /a web page/],
  [
    'a Git LFS pointer',
    Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d'),
    /a Git LFS pointer.*git lfs pull/,
  ],
  ['nothing', new Uint8Array(), /an empty file: download it again/],
])('%s', async (_, bytes, message) => {
  for (const read of [safetensors.load, safetensors.readHeader]) {
    const reading = read(bytes);
    await expect(reading).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(reading).rejects.toThrow(/^bytes: expected a safetensors file, got /);
    await expect(reading).rejects.toThrow(message);
  }
});
