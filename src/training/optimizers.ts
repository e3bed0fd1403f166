/** Optimizers that a configuration can name; a new optimizer is one row. */
import { Adam, AdamW, RMSprop, SGD } from '../optim/index.js';
import { refuseOption } from '../options.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Fields, flag, number, type ValuesOf, type VariantOf } from './fields.js';
import type { AnyOptimizer } from './trainer-options.js';

const rate = (preset: number) =>
  number({ description: 'Learning rate', above: 0, default: preset });
const decay = (preset: number) =>
  number({ description: 'Weight decay', least: 0, default: preset });
const momentum = (preset: number) => number({ description: 'Momentum', least: 0, default: preset });
const betas = {
  beta1: number({ description: 'Decay of the mean gradient', least: 0, below: 1, default: 0.9 }),
  beta2: number({
    description: 'Decay of the mean squared gradient',
    least: 0,
    below: 1,
    default: 0.999,
  }),
};

/** @param check refuses values that contradict each other; `path` is the name of the object in messages */
const row = <F extends Fields>(
  fields: F,
  build: (options: ValuesOf<F>, parameters: readonly Tensor[]) => AnyOptimizer,
  check?: (path: string, options: ValuesOf<F>) => void,
) => ({ fields, build, ...(check && { check }) });

export const kOptimizers = {
  adam: row(
    { lr: rate(1e-3), ...betas, weightDecay: decay(0) },
    ({ beta1, beta2, ...options }, parameters) =>
      new Adam(parameters, { ...options, betas: [beta1, beta2] }),
  ),
  adamw: row(
    { lr: rate(1e-3), ...betas, weightDecay: decay(0.01) },
    ({ beta1, beta2, ...options }, parameters) =>
      new AdamW(parameters, { ...options, betas: [beta1, beta2] }),
  ),
  rmsprop: row(
    {
      lr: rate(1e-3),
      alpha: number({
        description: 'Decay of the mean squared gradient',
        least: 0,
        most: 1,
        default: 0.9,
      }),
      momentum: momentum(0),
      weightDecay: decay(0),
    },
    (options, parameters) => new RMSprop(parameters, options),
  ),
  sgd: row(
    {
      lr: rate(0.1),
      momentum: momentum(0.9),
      nesterov: flag({ description: "Nesterov's momentum", default: false }),
      weightDecay: decay(0),
    },
    (options, parameters) => new SGD(parameters, options),
    (path, options) => {
      if (options.nesterov && options.momentum === 0) {
        refuseOption(`${path}.nesterov`, 'false without momentum', true);
      }
    },
  ),
};

export function buildOptimizer(
  { kind, ...options }: VariantOf<typeof kOptimizers>,
  parameters: readonly Tensor[],
): AnyOptimizer {
  return kOptimizers[kind].build(options as never, parameters);
}
