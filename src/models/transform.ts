/** Transforms between frame units and the model's units, 0..1 for frame values 0..scale. */
import type { Tensor } from '../tensor/tensor.js';

/** Names of transforms, as the field `transform` of a model description has them. */
export type TransformName = 'none' | 'sqrt' | 'log' | 'dbz';

interface Transform {
  /** Least scale, exclusive. */
  above: number;
  /** Frame units to the model's; results are new tensors. */
  toModel(frames: Tensor, scale: number): Tensor;
  /** The model's units to those of frames. */
  toFrames(values: Tensor, scale: number): Tensor;
}

/** Marshall and Palmer 1948: Z = 200 R^1.6 with R in mm/h. */
const kZ = 200;
const kExponent = 1.6;
/** R in mm/h at 0 dBZ: no rain below. */
const kLeastRate = kZ ** (-1 / kExponent);

/** log(scale / kLeastRate): the range of log R from 0 dBZ to the scale. */
const rangeOf = (scale: number) => Math.log(scale / kLeastRate);

export const kTransforms: Readonly<Record<TransformName, Transform>> = {
  none: {
    above: 0,
    toModel: (frames, scale) => (scale === 1 ? frames.clone() : frames.div(scale)),
    toFrames: (values, scale) => (scale === 1 ? values.clone() : values.mul(scale)),
  },
  sqrt: {
    above: 0,
    toModel(frames, scale) {
      using shares = frames.div(scale);
      using positive = shares.relu();
      return positive.sqrt();
    },
    toFrames(values, scale) {
      using positive = values.relu();
      using square = positive.square();
      return square.mul(scale);
    },
  },
  log: {
    above: 0,
    toModel(frames, scale) {
      using positive = frames.relu();
      using shifted = positive.add(1);
      using logarithm = shifted.log();
      return logarithm.div(Math.log1p(scale));
    },
    toFrames(values, scale) {
      using positive = values.relu();
      using logarithm = positive.mul(Math.log1p(scale));
      using power = logarithm.exp();
      return power.sub(1);
    },
  },
  dbz: {
    above: kLeastRate,
    toModel(frames, scale) {
      using floored = frames.maximum(kLeastRate);
      using ratio = floored.div(kLeastRate);
      using logarithm = ratio.log();
      return logarithm.div(rangeOf(scale));
    },
    toFrames(values, scale) {
      using logarithm = values.mul(rangeOf(scale));
      using ratio = logarithm.exp();
      using rate = ratio.mul(kLeastRate);
      using isRain = values.greater(0);
      return rate.mul(isRain);
    },
  },
};

export const kTransformNames = Object.keys(kTransforms) as TransformName[];
