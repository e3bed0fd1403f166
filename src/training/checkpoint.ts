import { ConvLSTMError } from '../errors.js';
import { type FilePath, formatError, toPath } from '../io/files.js';
import * as safetensors from '../io/safetensors.js';
import { refuseOption } from '../options.js';
import { Tensor } from '../tensor/tensor.js';

/** Contents of a checkpoint: numbers, text, tensors, and lists and objects of these. */
export type CheckpointState =
  | null
  | boolean
  | number
  | string
  | Tensor
  | readonly CheckpointState[]
  | { readonly [name: string]: CheckpointState | undefined };

/** Metadata key of everything but the tensors. */
const kMetadataKey = 'convlstm_checkpoint';

/** Replaces a tensor in the JSON: `{ "$tensor": "model.head.bias" }`. */
const kTensorMark = '$tensor';

/** Replaces tensors by marks; the tensors go into `tensors` under their path. */
function pack(path: string, state: CheckpointState, tensors: Record<string, Tensor>): unknown {
  if (state instanceof Tensor) {
    // Names that contain dots can make two paths equal.
    const name = path in tensors ? `${path}#${Object.keys(tensors).length}` : path;
    tensors[name] = state;
    return { [kTensorMark]: name };
  }
  if (typeof state === 'number' && !Number.isFinite(state)) {
    refuseOption(path, 'a finite number', state);
  }
  if (state === null || ['boolean', 'number', 'string'].includes(typeof state)) return state;
  const inner = (name: string | number) => (path === '' ? String(name) : `${path}.${name}`);
  if (Array.isArray(state)) return state.map((entry, n) => pack(inner(n), entry, tensors));
  // JSON would drop a function and turn a typed array or a map into a plain object.
  if (Object.prototype.toString.call(state) !== '[object Object]') {
    const expected = 'null, a boolean, a number, a text, a Tensor, or a list or object of these';
    refuseOption(path || 'state', expected, state);
  }
  const entries = Object.entries(state).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(
    entries.map(([name, entry]) => [name, pack(inner(name), entry as CheckpointState, tensors)]),
  );
}

function unpack(name: string, json: unknown, tensors: Record<string, Tensor>): CheckpointState {
  if (typeof json !== 'object' || json === null) return json as CheckpointState;
  if (Array.isArray(json)) return json.map((entry) => unpack(name, entry, tensors));
  const mark = (json as Record<string, unknown>)[kTensorMark];
  if (mark !== undefined) {
    const tensor = typeof mark === 'string' && Object.hasOwn(tensors, mark) && tensors[mark];
    if (!tensor) throw formatError(name, `has no tensor ${JSON.stringify(mark)}`);
    return tensor;
  }
  const entries = Object.entries(json).map(([key, entry]) => [key, unpack(name, entry, tensors)]);
  return Object.fromEntries(entries) as CheckpointState;
}

/**
 * Writes a state to one safetensors file: tensors under their paths (`model.head.bias`), the rest as JSON
 * in the metadata. The write is atomic: at any moment, also after a kill or a power cut, the name is the
 * old file or the complete new one.
 *
 * @throws ConvLSTMError ERR_OPTION for values that are neither JSON nor tensors, ERR_IO when the file
 *   cannot be written
 * @example
 * ```ts
 * await saveCheckpoint('run.safetensors', { model: net.stateDict(), optimizer: adam.stateDict(), step });
 * ```
 */
export async function saveCheckpoint(path: FilePath, state: CheckpointState): Promise<void> {
  const tensors: Record<string, Tensor> = Object.create(null);
  const json = JSON.stringify(pack('', state, tensors));
  await safetensors.save(path, tensors, { metadata: { [kMetadataKey]: json } });
}

/**
 * Reads a file of `saveCheckpoint`. The caller owns the tensors.
 *
 * @throws ConvLSTMError ERR_FORMAT for a file that is not a checkpoint, ERR_IO when it cannot be read
 * @example
 * ```ts
 * const { model, optimizer, step } = await loadCheckpoint('run.safetensors');
 * ```
 */
export async function loadCheckpoint(path: FilePath): Promise<Record<string, CheckpointState>> {
  const name = toPath(path);
  const { tensors, metadata } = await safetensors.read(path);
  try {
    const text = metadata[kMetadataKey];
    if (text === undefined) throw formatError(name, 'is not a checkpoint of convlstm');
    const state = parse(name, text, tensors);
    if (typeof state !== 'object' || state === null || Array.isArray(state)) {
      throw formatError(name, 'holds no state');
    }
    return state as Record<string, CheckpointState>;
  } catch (error) {
    for (const tensor of Object.values(tensors)) tensor.dispose();
    throw error;
  }
}

function parse(name: string, text: string, tensors: Record<string, Tensor>): CheckpointState {
  try {
    return unpack(name, JSON.parse(text), tensors);
  } catch (error) {
    if (error instanceof ConvLSTMError) throw error;
    // A RangeError of JSON nested deeper than the stack ends here too.
    throw formatError(name, `its metadata '${kMetadataKey}' is not JSON of a state`, error);
  }
}
