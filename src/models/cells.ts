/** The kinds of recurrent layers that a model description can name; a further one is an entry here. */
import type { Pair } from '../../binding.js';
import { ConvLSTM, type Peephole, type RecurrentStack } from '../nn/index.js';

/** The recurrent layers of a model; sizes are those of patches. */
export interface LayersDescription {
  inputDim: number;
  hiddenDim: readonly number[];
  /** [height, width], one entry for each layer. */
  kernelSize: readonly Pair[];
  bias: boolean;
  peephole: Peephole;
  /** [height, width]; undefined but for `peephole: 'spatial'`. */
  imageSize: Pair | undefined;
}

interface CellKind {
  /** Layers that take [B, T, C, H, W]. */
  build(layers: LayersDescription): RecurrentStack;
  /** Number of weights of one layer, counted without allocating. */
  countParameters(layers: LayersDescription, layer: number): number;
}

/** Channels that the layer's convolution sees, times the size of its kernel. */
function fanIn({ inputDim, hiddenDim, kernelSize }: LayersDescription, layer: number): number {
  const [height, width] = kernelSize[layer]!;
  return ((hiddenDim[layer - 1] ?? inputDim) + hiddenDim[layer]!) * height * width;
}

/** Names of kinds, as the field `cell` of a model description has them. */
export type CellName = 'convlstm';

export const kCells: Readonly<Record<CellName, CellKind>> = {
  convlstm: {
    build: (layers) => new ConvLSTM({ ...layers, batchFirst: true }),
    countParameters(layers, layer) {
      const { bias, peephole, imageSize } = layers;
      const places = imageSize ? imageSize[0] * imageSize[1] : 1;
      const perChannel = 4 * (fanIn(layers, layer) + (bias ? 1 : 0)) + (peephole ? 3 * places : 0);
      return layers.hiddenDim[layer]! * perChannel;
    },
  },
};
