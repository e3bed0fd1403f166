/** Schedules that a configuration can name; a new schedule is one row. */
import {
  CosineWithWarmup,
  OneCycle,
  ReduceLROnPlateau,
  type Schedule,
  type Scheduled,
  StepLR,
} from '../optim/index.js';
import { refuseOption } from '../options.js';
import { count, type Fields, natural, number, type ValuesOf, type VariantOf } from './fields.js';

type AnySchedule = Schedule | ReduceLROnPlateau | null;

const row = <F extends Fields>(
  fields: F,
  build: (options: ValuesOf<F>, optimizer: Scheduled, totalSteps: number) => AnySchedule,
  needsValidation = false,
) => ({ fields, build, needsValidation });

const factor = { description: 'Factor on the rate at each change', above: 0, default: 0.1 };

export const kSchedules = {
  constant: row({}, () => null),
  step: row(
    { every: count({ description: 'Steps between two changes' }), factor: number(factor) },
    (options, optimizer) =>
      new StepLR(optimizer, { stepSize: options.every, gamma: options.factor }),
  ),
  cosine: row(
    {
      warmup: natural({ description: 'Steps of linear warm-up', default: 0 }),
      floor: number({ description: 'Rate at the end', least: 0, default: 0 }),
    },
    ({ warmup, floor }, optimizer, totalSteps) => {
      if (warmup >= totalSteps) {
        refuseOption('schedule.warmup', `fewer than the ${totalSteps} steps of the run`, warmup);
      }
      return new CosineWithWarmup(optimizer, { totalSteps, warmupSteps: warmup, minLr: floor });
    },
  ),
  'one-cycle': row(
    {
      rise: number({
        description: 'Fraction of the steps in which the rate rises',
        above: 0,
        most: 1,
        default: 0.3,
      }),
    },
    ({ rise }, optimizer, totalSteps) => {
      const { lr, momentum } = optimizer.groups[0]!;
      const cycleMomentum = momentum !== 0; // an optimizer without momentum stays without
      return new OneCycle(optimizer, { maxLr: lr, totalSteps, pctStart: rise, cycleMomentum });
    },
  ),
  plateau: row(
    {
      factor: number({ ...factor, below: 1 }),
      patience: natural({
        description: 'Validations without improvement before the rate changes',
        default: 10,
      }),
    },
    (options, optimizer) => new ReduceLROnPlateau(optimizer, options),
    true,
  ),
};

/** @throws ConvLSTMError ERR_OPTION for a warm-up as long as the run */
export function buildSchedule(
  { kind, ...options }: VariantOf<typeof kSchedules>,
  optimizer: Scheduled,
  totalSteps: number,
): AnySchedule {
  return kSchedules[kind].build(options as never, optimizer, totalSteps);
}
