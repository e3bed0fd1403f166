// Random ConvLSTM layers for the property tests.
import fc from 'fast-check';
import type { Peephole } from '../../src/index.js';
import { randomValues } from './numbers.js';

export interface Layer {
  batch: number;
  time: number;
  inputDim: number;
  hiddenDim: number[];
  kernelSize: [number, number];
  size: [number, number];
  bias: boolean;
  batchFirst: boolean;
  peephole: Peephole;
  states: boolean;
  /** Spikes in x, and an initial h outside of [-1, 1]. */
  unbounded: boolean;
  seed: number;
}

// fast-check prefers the ends of a range, but tiles have remainders at the sizes between.
const sizes = (max: number) => fc.integer({ min: 1, max });

export interface Limits {
  channels: number;
  image: number;
  layers: number;
}

export function layers(limits: Limits): fc.Arbitrary<Layer> {
  const kernel = fc.oneof(
    { weight: 4, arbitrary: fc.constant<[number, number]>([3, 3]) },
    { weight: 2, arbitrary: fc.constant<[number, number]>([5, 5]) },
    { weight: 2, arbitrary: fc.tuple(sizes(6), sizes(6)) },
  );
  return fc.record({
    batch: sizes(3),
    time: sizes(4),
    inputDim: sizes(limits.channels),
    hiddenDim: fc.array(sizes(limits.channels), { minLength: 1, maxLength: limits.layers }),
    kernelSize: kernel,
    size: fc.tuple(sizes(limits.image), sizes(limits.image)),
    bias: fc.boolean(),
    batchFirst: fc.boolean(),
    peephole: fc.constantFrom<Peephole>(false, 'channel', 'spatial'),
    states: fc.boolean(),
    unbounded: fc.boolean(),
    seed: fc.nat(),
  });
}

export function options(layer: Layer) {
  const { inputDim, hiddenDim, kernelSize, bias, batchFirst, peephole } = layer;
  return {
    inputDim,
    hiddenDim,
    kernelSize,
    numLayers: hiddenDim.length,
    bias,
    batchFirst,
    peephole,
    returnAllLayers: true,
    ...(peephole === 'spatial' ? { imageSize: layer.size } : {}),
  };
}

export function inputShape(layer: Layer): number[] {
  const { batch, time, inputDim, size, batchFirst } = layer;
  return [...(batchFirst ? [batch, time] : [time, batch]), inputDim, ...size];
}

export function stateShape(layer: Layer, index: number): number[] {
  return [layer.batch, layer.hiddenDim[index]!, ...layer.size];
}

/** A state dict with weights of PyTorch's scale and nonzero peepholes. */
export function parameterValues(
  layer: Layer,
): Map<string, { data: Float32Array; shape: number[] }> {
  const { inputDim, hiddenDim, kernelSize, bias, peephole, size, seed } = layer;
  const values = new Map<string, { data: Float32Array; shape: number[] }>();
  const add = (name: string, shape: number[], scale: number) => {
    const count = shape.reduce((total, each) => total * each, 1);
    values.set(name, { data: randomValues(count, seed + values.size, scale), shape });
  };
  for (const [index, hidden] of hiddenDim.entries()) {
    const inputs = index === 0 ? inputDim : hiddenDim[index - 1]!;
    const [height, width] = kernelSize;
    const prefix = `cell_list.${index}`;
    const scale = 2 * ((inputs + hidden) * height * width) ** -0.5;
    add(`${prefix}.conv.weight`, [4 * hidden, inputs + hidden, height, width], scale);
    if (bias) add(`${prefix}.conv.bias`, [4 * hidden], 1);
    const shape = [1, hidden, ...(peephole === 'spatial' ? size : [1, 1])];
    if (peephole) for (const gate of ['Wci', 'Wcf', 'Wco']) add(`${prefix}.${gate}`, shape, 0.7);
  }
  return values;
}
