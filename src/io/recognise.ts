// What a file is that is not what was asked for.

/** A kind of file. @internal */
export interface Recognised {
  /** With its article: `a PyTorch file (zip)`. */
  what: string;
  /** How its content can be loaded. */
  remedy: string;
}

/** Bytes of a file that `recognise` looks at. @internal */
export const kRecognisedBytes = 1024;

const kAgain = 'download it again';
const kSaveFile = 'in Python, with safetensors.torch.save_file (docs/weights.md)';

const kPyTorch = (container: string): Recognised => ({
  what: `a PyTorch file (${container})`,
  remedy: `save the state dict that torch.load reads from it ${kSaveFile}`,
});
const kKeras = (container: string): Recognised => ({
  what: `a Keras file (${container})`,
  remedy: 'save the weights in Python, with safetensors.numpy.save_file (docs/weights.md)',
});
const kArray = (kind: string): Recognised => ({
  what: `a NumPy ${kind} file`,
  remedy: 'weights come as safetensors: save them in Python, with safetensors.numpy.save_file',
});
const kCompressed = (kind: string): Recognised => ({
  what: `a file compressed with ${kind}`,
  remedy: 'unpack it first',
});

const kOther = (what: string): Recognised => ({
  what,
  remedy: `save the weights of the model that it was made from ${kSaveFile}`,
});

/** By the first entry's name, which follows 30 bytes of header. */
function recogniseZip(head: string): Recognised {
  const length = head.charCodeAt(26) + 256 * head.charCodeAt(27);
  const entry = head.slice(30, 30 + length);
  if (/(^|\/)(data\.pkl|\.format_version|version|constants\.pkl|byteorder)$/.test(entry)) {
    return kPyTorch('zip');
  }
  if (/^(metadata|config)\.json$|\.weights\.h5$/.test(entry)) return kKeras('.keras, a zip');
  if (entry.endsWith('.npy')) return kArray('.npz');
  return { what: `a zip archive of ${JSON.stringify(entry)}`, remedy: 'unpack it first' };
}

function recogniseJson(head: string): Recognised {
  if (head.includes('"weight_map"')) {
    return {
      what: 'the JSON index of a sharded model',
      remedy: "give the index's path, with its shards in the same folder",
    };
  }
  if (/"modelTopology"|"weightsManifest"/.test(head)) {
    const remedy = "load it with TensorFlow.js and save each weight's data() (docs/weights.md)";
    return { what: 'a TensorFlow.js model (JSON)', remedy };
  }
  return { what: 'JSON', remedy: 'give the .safetensors file beside it' };
}

/** Whether a file is of a kind: its first bytes, as Latin-1 text, or a pattern of them. */
type Mark = string | RegExp | ((head: string) => boolean);

const kKinds: readonly [Mark, Recognised | ((head: string) => Recognised)][] = [
  [/^$/, { what: 'an empty file', remedy: kAgain }],
  ['PK\x03\x04', recogniseZip],
  ['\x89HDF\r\n\x1a\n', kKeras('HDF5')],
  // A pickle of protocol 2 to 5, as torch.save wrote before 1.6.
  [(head) => head[0] === '\x80' && '\x02\x03\x04\x05'.includes(head[1] ?? ' '), kPyTorch('pickle')],
  [
    'version https://git-lfs',
    { what: 'a Git LFS pointer, not the file itself', remedy: 'run git lfs pull' },
  ],
  [
    /^\s*<(!doctype|!--|html|head|body|\?xml)/i,
    { what: 'a web page, such as an error or a login', remedy: kAgain },
  ],
  [/^\s*[{[]/, recogniseJson],
  ['\x1f\x8b', kCompressed('gzip')],
  ['BZh', kCompressed('bzip2')],
  ['\xfd7zXZ', kCompressed('xz')],
  ['\x28\xb5\x2f\xfd', kCompressed('Zstandard')],
  ['7z\xbc\xaf', kCompressed('7-Zip')],
  [/^.{257}ustar/s, { what: 'a tar archive', remedy: 'unpack it first' }],
  ['\x93NUMPY', kArray('.npy')],
  ['GGUF', kOther('a GGUF file')],
  [/^.{4}TFL3/s, kOther('a TensorFlow Lite file')],
  ['\x08\x01\x12', kOther('a TensorFlow SavedModel')],
  // Protocol buffers: ir_version 3 or more, then a field of ModelProto that holds text or a message.
  [
    (head) =>
      '\x12:B'.includes(head[2] ?? ' ') && head[0] === '\b' && head[1]! >= '\x03' && head[1]! < ' ',
    kOther('an ONNX file'),
  ],
];

function has(head: string, mark: Mark): boolean {
  if (typeof mark === 'string') return head.startsWith(mark);
  return typeof mark === 'function' ? mark(head) : mark.test(head);
}

/** Recognises a file by its first `kRecognisedBytes` bytes; null if unknown. @internal */
export function recognise(bytes: Uint8Array): Recognised | null {
  const head = Buffer.from(bytes.subarray(0, kRecognisedBytes)).toString('latin1');
  const kind = kKinds.find(([mark]) => has(head, mark))?.[1];
  return typeof kind === 'function' ? kind(head) : (kind ?? null);
}
