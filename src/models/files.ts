import { ConvLSTMError } from '../errors.js';
import { type ByteSource, type FilePath, readBytes, sourceName, toPath } from '../io/files.js';
import { safeElementCount } from '../io/nd-array.js';
import * as safetensors from '../io/safetensors.js';
import { checkFlag, checkNames } from '../options.js';
import {
  type ModelDescription,
  type ModelDescriptionInput,
  parameterCount,
  parseDescription,
} from './description.js';
import { Forecaster } from './forecaster.js';

/** Metadata key of the description. */
const kMetadataKey = 'convlstm';

/** Largest ratio of the model's parameters to the file's for which a model is built. */
const kMaxExcess = 4;

/** Options of `loadModel`. */
export interface LoadModelOptions {
  /** Description, or a JSON file of it; default: the metadata of the weights file. */
  model?: FilePath | ModelDescriptionInput | undefined;
  /**
   * Whether the model is to be trained: in `train()`, its parameters with `requiresGrad`. Default false:
   * in `eval()`, its parameters without, so that `forward` saves nothing for `backward()` and needs no
   * `noGrad`.
   */
  trainable?: boolean | undefined;
}

function parse(place: string, text: string): ModelDescription {
  try {
    return parseDescription(JSON.parse(text));
  } catch (cause) {
    const reason = cause instanceof ConvLSTMError ? cause.message : 'is not valid JSON';
    throw new ConvLSTMError('ERR_FORMAT', `${place}: ${reason}`, { cause });
  }
}

/**
 * The description in a safetensors file's metadata; null if it has none.
 *
 * @param source name of the file in messages
 * @throws ConvLSTMError ERR_FORMAT for a malformed description
 * @internal
 */
export function describedIn(
  source: string,
  metadata: Readonly<Record<string, string>>,
): ModelDescription | null {
  const text = metadata[kMetadataKey];
  return text === undefined ? null : parse(`${source}: metadata ${kMetadataKey}`, text);
}

/**
 * Builds the model that a weights file describes and loads its weights: for inference by default, with
 * `trainable` for training.
 *
 * @throws ConvLSTMError ERR_FORMAT for a malformed file or one without a description, ERR_STATE_DICT
 *   for weights that do not fit the description, ERR_IO when a file cannot be read, ERR_OPTION
 * @example
 * ```ts
 * const model = await loadModel('moving-mnist-convlstm.safetensors');
 * const next = model.forward(frames, 10);
 *
 * const tuned = await loadModel('moving-mnist-convlstm.safetensors', { trainable: true });
 * const adam = new Adam(tuned.parameters(), { lr: 1e-4 });
 * ```
 */
export async function loadModel(
  source: ByteSource,
  options: LoadModelOptions = {},
): Promise<Forecaster> {
  checkNames('loadModel', options, { model: true, trainable: true });
  const trainable = checkFlag('trainable', options.trainable ?? false);
  const { tensors: entries, metadata } = await safetensors.readHeader(source);
  const description = parseDescription(await describe(source, metadata, options.model));
  // Checked before anything of the described size is allocated. loadStateDict lists smaller misfits.
  const expected = parameterCount(description);
  const got = entries.reduce((sum, { shape }) => sum + safeElementCount(shape)!, 0);
  if (expected > kMaxExcess * got) {
    const name = sourceName(source);
    const message = `${name}: the model has ${expected} parameters, the file ${got}`;
    throw new ConvLSTMError('ERR_STATE_DICT', message);
  }
  const tensors = await safetensors.load(source);
  try {
    const model = new Forecaster(description).loadStateDict(tensors).train(trainable);
    for (const parameter of model.parameters()) parameter.requiresGrad = trainable;
    return model;
  } finally {
    for (const tensor of Object.values(tensors)) tensor.dispose();
  }
}

async function describe(
  source: ByteSource,
  metadata: Readonly<Record<string, string>>,
  model: LoadModelOptions['model'],
): Promise<ModelDescriptionInput> {
  if (typeof model === 'string' || model instanceof URL) {
    return parse(toPath(model), new TextDecoder().decode(await readBytes(model)));
  }
  if (model !== undefined) return model;
  const description = describedIn(sourceName(source), metadata);
  if (description !== null) return description;
  const name = sourceName(source);
  const message = `${name}: its metadata has no '${kMetadataKey}' that describes the model`;
  throw new ConvLSTMError('ERR_FORMAT', message);
}

/**
 * Writes a model's weights and description, for `loadModel`.
 *
 * @throws ConvLSTMError ERR_IO when the file cannot be written.
 * @example
 * ```ts
 * await saveModel('trained.safetensors', model, { metadata: { epochs: '12' } });
 * ```
 */
export async function saveModel(
  path: FilePath,
  model: Forecaster,
  options: safetensors.SaveOptions = {},
): Promise<void> {
  const dict = model.stateDict();
  try {
    const description = JSON.stringify(model.description);
    const metadata = { ...options.metadata, [kMetadataKey]: description };
    await safetensors.save(path, dict, { metadata });
  } finally {
    for (const tensor of Object.values(dict)) tensor.dispose();
  }
}
