import type { Pair } from '../../binding.js';
import type { Peephole } from '../nn/index.js';
import { checkChoice, refuseOption } from '../options.js';
import { type CellName, kCells, type LayersDescription } from './cells.js';

/**
 * What a weights file is for, as JSON: under the key `convlstm` of the safetensors metadata, or in a file
 * beside it. Fields that are left out have their defaults; unknown ones are refused.
 *
 * The model cuts each frame to patches (PixelUnshuffle), runs the layers of ConvLSTM over them, makes the
 * next frame's patches of the last layer's h by one convolution (`head`) and an output function, and
 * feeds them back. Keys of its weights: `cell_list.<layer>.conv.weight`, `cell_list.<layer>.conv.bias`,
 * `head.weight`, `head.bias`, gates packed i, f, o, g.
 */
export interface ModelDescription {
  /** Of this format; 1. */
  version: 1;
  /** Channels of a frame; 1 by default. */
  channels: number;
  /** Side in pixels of the square patches that become channels; 1 by default. */
  patchSize: number;
  /** Kind of the recurrent layers; `'convlstm'` by default. */
  cell: CellName;
  /** Channels of h, one entry for each layer. */
  hiddenDim: readonly number[];
  /** [height, width] of the kernel, one entry for each layer. One number stands for all; 3 by default. */
  kernelSize: readonly Pair[];
  /** Whether the layers have biases; true by default. The head has one always. */
  bias: boolean;
  /** `false` (default), `'channel'` or `'spatial'`: three more weights a layer, Wci, Wcf, Wco. */
  peephole: Peephole;
  /** [height, width] of a frame in pixels: with `peephole: 'spatial'`, and only then; else null. */
  imageSize: Pair | null;
  /** Side of the head's square kernel, odd; 1 by default. */
  headKernelSize: number;
  /** What the head's result goes through: `'sigmoid'` (default) or `'linear'`, nothing. */
  output: 'sigmoid' | 'linear';
  /** The frame value that is 1 inside the model; 1 by default. 20, say, for rain in mm/h. */
  scale: number;
}

/** A description as people write it: only `version` and `hiddenDim` have no default. */
export type ModelDescriptionInput = Partial<Omit<ModelDescription, 'kernelSize'>> &
  Pick<ModelDescription, 'version' | 'hiddenDim'> & {
    /** One number stands for all sides of all layers; 3 by default. */
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
 * @throws ConvLSTMError ERR_OPTION that names the field, what it may be and what it was.
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
      refuseOption(field, `no such field but ${[...kFields].join(', ')}`, given[field]);
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

/** Number of weights of such a model. @internal */
export function parameterCount(description: ModelDescription): number {
  const layers = layersOf(description);
  const { cell, hiddenDim, headKernelSize } = description;
  const head = (hiddenDim.at(-1)! * headKernelSize ** 2 + 1) * layers.inputDim;
  return hiddenDim.reduce((sum, _, k) => sum + kCells[cell].countParameters(layers, k), head);
}
