import type { Pair } from '../../binding.js';
import type { Peephole } from '../nn/index.js';
import { checkChoice, refuseOption } from '../options.js';
import { type CellName, kCells, type LayersDescription } from './cells.js';
import { kTransformNames, kTransforms, type TransformName } from './transform.js';

/**
 * Description of the model of a weights file, as JSON: under the key `convlstm` of the safetensors
 * metadata, or in a file beside it. Missing fields have their defaults; unknown fields are refused.
 *
 * The model cuts each frame to patches (PixelUnshuffle), runs the recurrent layers over them, computes the
 * next frame's patches from the last layer's h by one convolution (`head`) and an output function, and
 * feeds them back. Keys of its weights: `cell_list.<layer>.conv.weight`, `cell_list.<layer>.conv.bias`,
 * `head.weight`, `head.bias`, gates packed i, f, o, g.
 */
export interface ModelDescription {
  /** Version of this format: 1. */
  version: 1;
  /** Channels of a frame; default 1. */
  channels: number;
  /** Side in pixels of the square patches that become channels; default 1. */
  patchSize: number;
  /** Kind of the recurrent layers; default `'convlstm'`. */
  cell: CellName;
  /** Channels of h, one entry for each layer. */
  hiddenDim: readonly number[];
  /** [height, width] of the kernel, one entry for each layer; default 3 by 3. */
  kernelSize: readonly Pair[];
  /** Whether the layers have biases; default true. The head always has one. */
  bias: boolean;
  /** Peephole weights Wci, Wcf, Wco of each layer: `false` (default), `'channel'` or `'spatial'`. */
  peephole: Peephole;
  /** [height, width] of a frame in pixels for `peephole: 'spatial'`; else null. */
  imageSize: Pair | null;
  /** Side of the head's square kernel, odd; default 1. */
  headKernelSize: number;
  /** Output function after the head: `'sigmoid'` (default) or `'linear'`, the identity. */
  output: 'sigmoid' | 'linear';
  /** Frame value that the model sees as 1; default 1. Rain in mm/h may have 20. */
  scale: number;
  /**
   * Frame values x to the model's: `'none'` (default) x / scale, `'sqrt'` sqrt(x / scale), `'log'`
   * log(1 + x) / log(1 + scale), `'dbz'` reflectivity of rain in mm/h (Z = 200 R^1.6) over that of the
   * scale. All but `'none'` take values of at least 0; lower ones count as 0. Forecasts are inverted.
   */
  transform: TransformName;
  /** Frame value that means missing, such as -9999; null (default): NaN and infinities alone. */
  missing: number | null;
}

/** A description as input: only `version` and `hiddenDim` have no default. */
export type ModelDescriptionInput = Partial<Omit<ModelDescription, 'kernelSize'>> &
  Pick<ModelDescription, 'version' | 'hiddenDim'> & {
    /** One number for both sides in all layers, or [height, width] per layer; default 3. */
    kernelSize?: number | readonly Pair[];
  };

const kDefaults: Omit<ModelDescription, 'version' | 'hiddenDim' | 'kernelSize'> = {
  channels: 1,
  patchSize: 1,
  cell: 'convlstm',
  bias: true,
  peephole: false,
  imageSize: null,
  headKernelSize: 1,
  output: 'sigmoid',
  scale: 1,
  transform: 'none',
  missing: null,
};

const kDefaultKernelSize = 3;

const kFields: ReadonlySet<string> = new Set([
  'version',
  'hiddenDim',
  'kernelSize',
  ...Object.keys(kDefaults),
]);

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isPair(value: unknown): value is Pair {
  return Array.isArray(value) && value.length === 2 && value.every(isCount);
}

function kernelSizes(value: unknown, numLayers: number): Pair[] {
  if (isCount(value)) return new Array(numLayers).fill([value, value]);
  if (!Array.isArray(value) || value.length !== numLayers || !value.every(isPair)) {
    refuseOption('kernelSize', `a positive integer, or ${numLayers} of [height, width]`, value);
  }
  return value;
}

/**
 * Checks a description and fills in its defaults.
 *
 * @throws ConvLSTMError ERR_OPTION that names the field, what was expected and what was given
 * @example
 * ```ts
 * parseDescription({ version: 1, patchSize: 4, hiddenDim: [64, 64] }).kernelSize;   // [[3, 3], [3, 3]]
 * ```
 */
export function parseDescription(value: unknown): ModelDescription {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuseOption('description', 'an object', value);
  }
  const given = value as Record<string, unknown>;
  if (given['version'] !== 1) refuseOption('version', '1', given['version']);
  for (const field of Object.keys(given)) {
    if (!kFields.has(field))
      refuseOption(field, `one of the fields ${[...kFields].join(', ')}`, given[field]);
  }
  const fields: Record<string, unknown> = {
    version: 1,
    hiddenDim: undefined,
    kernelSize: kDefaultKernelSize,
    ...kDefaults,
    ...given,
  };
  const { hiddenDim, peephole, imageSize, headKernelSize, output, scale } = fields;
  for (const name of ['channels', 'patchSize', 'headKernelSize']) {
    if (!isCount(fields[name])) refuseOption(name, 'a positive integer', fields[name]);
  }
  checkChoice('cell', fields['cell'] as CellName, Object.keys(kCells) as CellName[]);
  if (!Array.isArray(hiddenDim) || hiddenDim.length === 0 || !hiddenDim.every(isCount)) {
    refuseOption('hiddenDim', 'a list of positive integers', hiddenDim);
  }
  if (typeof fields['bias'] !== 'boolean') refuseOption('bias', 'true or false', fields['bias']);
  if (peephole !== false && peephole !== 'channel' && peephole !== 'spatial') {
    refuseOption('peephole', "false, 'channel' or 'spatial'", peephole);
  }
  const patchSize = fields['patchSize'] as number;
  if (peephole !== 'spatial') {
    if (imageSize !== null) refuseOption('imageSize', "null without peephole 'spatial'", imageSize);
  } else if (!isPair(imageSize) || imageSize.some((side) => side % patchSize !== 0)) {
    refuseOption('imageSize', `[height, width], multiples of patchSize ${patchSize}`, imageSize);
  }
  if ((headKernelSize as number) % 2 === 0)
    refuseOption('headKernelSize', 'an odd number', headKernelSize);
  if (output !== 'sigmoid' && output !== 'linear') {
    refuseOption('output', "'sigmoid' or 'linear'", output);
  }
  if (!Number.isFinite(scale) || (scale as number) <= 0)
    refuseOption('scale', 'a number above 0', scale);
  const transform = fields['transform'] as TransformName;
  checkChoice('transform', transform, kTransformNames);
  const { above } = kTransforms[transform];
  if ((scale as number) <= above) {
    refuseOption(
      'scale',
      `a number above ${above.toPrecision(3)} with transform '${transform}'`,
      scale,
    );
  }
  if (fields['missing'] !== null && !Number.isFinite(fields['missing'])) {
    refuseOption('missing', 'a number or null', fields['missing']);
  }
  return {
    ...(fields as unknown as ModelDescription),
    kernelSize: kernelSizes(fields['kernelSize'], hiddenDim.length),
  };
}

/** The recurrent part of a model, in sizes of patches. @internal */
export function layersOf(description: ModelDescription): LayersDescription {
  const { channels, patchSize, hiddenDim, kernelSize, bias, peephole, imageSize } = description;
  return {
    inputDim: channels * patchSize ** 2,
    hiddenDim,
    kernelSize,
    bias,
    peephole,
    imageSize: imageSize ? [imageSize[0] / patchSize, imageSize[1] / patchSize] : undefined,
  };
}

/** Number of weights of the described model. @internal */
export function parameterCount(description: ModelDescription): number {
  const layers = layersOf(description);
  const { cell, hiddenDim, headKernelSize } = description;
  const head = (hiddenDim.at(-1)! * headKernelSize ** 2 + 1) * layers.inputDim;
  return hiddenDim.reduce((sum, _, k) => sum + kCells[cell].countParameters(layers, k), head);
}
