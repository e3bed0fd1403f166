// Schedules against test/fixtures/optimizers.py, and their common interface.
import { describe, expect, it } from 'vitest';
import {
  Adam,
  CosineWithWarmup,
  type CosineWithWarmupOptions,
  OneCycle,
  type OneCycleOptions,
  Parameter,
  ReduceLROnPlateau,
  type Schedule,
  SGD,
  StepLR,
  type StepLROptions,
  Tensor,
} from '../../src/index.js';
import { expectError } from '../support/errors.js';
import { loadFixture } from '../support/fixture.js';

interface Options {
  schedule?: 'StepLR' | 'OneCycle' | 'CosineWithWarmup' | 'ReduceLROnPlateau';
  options: object;
  rates: [number, number][];
  metrics?: number[];
  /** Momentum by step, of OneCycle only; the others leave it at 0.6. */
  momenta?: [number, number][];
}

const cases = loadFixture<Options>('optimizers')
  .map(({ options }) => options)
  .filter(({ schedule }) => schedule);

function twoGroups(): SGD {
  const leaf = () => new Parameter(Tensor.zeros([1], { device: 'javascript' }));
  return new SGD([leaf(), { parameters: [leaf()], lr: 0.2 }], {
    lr: 0.5,
    momentum: 0.6,
  });
}

const kinds = {
  StepLR: (sgd: SGD, options: object) => new StepLR(sgd, options as StepLROptions),
  OneCycle: (sgd: SGD, options: object) => new OneCycle(sgd, options as OneCycleOptions),
  CosineWithWarmup: (sgd: SGD, options: object) =>
    new CosineWithWarmup(sgd, options as CosineWithWarmupOptions),
};

/** Runs from the start, and again from a state dict made at `cut`. */
function follow(
  { rates, metrics, momenta }: Options,
  build: (sgd: SGD) => Schedule | ReduceLROnPlateau,
  cut: number,
): void {
  let sgd = twoGroups();
  let schedule = build(sgd);
  for (const [step, expected] of rates.entries()) {
    if (step > 0) {
      if (schedule instanceof ReduceLROnPlateau) schedule.step(metrics![step - 1]!);
      else schedule.step();
    }
    for (const [index, { lr, momentum }] of sgd.groups.entries()) {
      expect(momentum).toBeCloseTo(momenta?.[step]?.[index] ?? 0.6, 12);
      expect(lr, `step ${step}, group ${index}`).toBeCloseTo(expected[index]!, 12);
    }
    expect(schedule.lrs).toEqual(sgd.groups.map(({ lr }) => lr));
    if (step === cut) {
      const state = JSON.parse(JSON.stringify(schedule.stateDict()));
      const next = twoGroups();
      const resumed = build(next);
      next.loadStateDict(sgd.stateDict());
      resumed.loadStateDict(state);
      sgd = next;
      schedule = resumed;
    }
  }
}

describe('schedules', () => {
  it.each(cases)('$name', (options) => {
    const build = (sgd: SGD) =>
      options.schedule === 'ReduceLROnPlateau'
        ? new ReduceLROnPlateau(sgd, options.options)
        : kinds[options.schedule!](sgd, options.options);
    follow(options, build, Number.POSITIVE_INFINITY);
    for (let cut = 0; cut < options.rates.length; cut += 2) follow(options, build, cut);
  });

  it('stay at the last rate', () => {
    const sgd = twoGroups();
    const cosine = new CosineWithWarmup(sgd, { totalSteps: 3, minLr: 0.1 });
    for (let step = 0; step < 9; step++) cosine.step();
    expect(cosine.lrs).toEqual([0.1, 0.1]);
    expect(cosine.steps).toBe(9);
    const cycle = new OneCycle(sgd, { maxLr: 1, totalSteps: 3 });
    for (let step = 0; step < 9; step++) cycle.step();
    expect(cycle.lrs[0]).toBeCloseTo(1 / 25 / 1e4, 12);
  });

  it('cycle the first beta of Adam and skip optimizers without momentum', () => {
    const parameter = new Parameter(Tensor.zeros([1], { device: 'javascript' }));
    const adam = new Adam([parameter], { betas: [0.5, 0.98] });
    const schedule = new OneCycle(adam, { maxLr: 1, totalSteps: 5, pctStart: 0.6 });
    expect(adam.groups[0]!.betas).toEqual([0.95, 0.98]);
    schedule.step();
    schedule.step();
    expect(adam.groups[0]!.betas[0]).toBeCloseTo(0.85, 12);
    const bare = { groups: [{ lr: 1 }] };
    new OneCycle(bare, { maxLr: 1, totalSteps: 5 }).step();
    expect(Object.keys(bare.groups[0]!)).toEqual(['lr']);
  });

  it('treat NaN and infinite metrics as no improvement', () => {
    const sgd = twoGroups();
    const schedule = new ReduceLROnPlateau(sgd, { patience: 0, factor: 0.5 });
    schedule.step(Number.NaN);
    expect(sgd.groups[0]!.lr).toBe(0.25);
    schedule.step(1);
    schedule.step(Number.NaN);
    expect(sgd.groups[0]!.lr).toBe(0.125);
  });

  it('refuse options out of range', () => {
    const sgd = twoGroups();
    const refused = (build: () => unknown, ...parts: string[]) =>
      expectError(build, 'ERR_OPTION', ...parts);
    refused(() => new StepLR(sgd, { stepSize: 0 }), 'stepSize');
    refused(() => new StepLR({ stepSize: 2 } as never, {} as never), 'expected an optimizer');
    refused(() => new ReduceLROnPlateau(undefined as never), 'expected an optimizer');
    refused(() => new StepLR(sgd, { stepSize: 1, gamma: -1 }), 'gamma');
    refused(() => new StepLR(sgd, { stepSize: 1, step: 2 } as never), 'step');
    refused(() => new CosineWithWarmup(sgd, { totalSteps: 3, warmupSteps: 3 }), 'warmupSteps');
    refused(() => new CosineWithWarmup(sgd, { totalSteps: 3, minLr: -1 }), 'minLr');
    refused(() => new OneCycle(sgd, { maxLr: 0, totalSteps: 3 }), 'maxLr');
    refused(() => new OneCycle(sgd, { maxLr: 1, totalSteps: 3, pctStart: 2 }), 'pctStart');
    refused(() => new OneCycle(sgd, { maxLr: 1, totalSteps: 3, maxMomentum: 1 }), 'maxMomentum');
    const annealStrategy = 'exp' as 'cos';
    refused(() => new OneCycle(sgd, { maxLr: 1, totalSteps: 3, annealStrategy }), "'cos'");
    refused(() => new ReduceLROnPlateau(sgd, { factor: 1 }), 'factor');
    refused(() => new ReduceLROnPlateau(sgd, { patience: 0.5 }), 'patience');
    refused(() => new ReduceLROnPlateau(sgd, { cooldown: -1 }), 'cooldown');
    refused(() => new ReduceLROnPlateau(sgd, { mode: 'least' as 'min' }), 'mode');
    refused(() => new ReduceLROnPlateau(sgd, { thresholdMode: 'x' as 'abs' }), 'thresholdMode');
  });

  it('refuse a state dict of another kind', () => {
    const sgd = twoGroups();
    const schedule = new StepLR(sgd, { stepSize: 2 });
    for (const dict of [null, {}, { steps: -1, baseLrs: [1, 1] }, { steps: 1, baseLrs: [1] }]) {
      expectError(() => schedule.loadStateDict(dict), 'ERR_STATE_DICT', '2 groups');
    }
    const plateau = new ReduceLROnPlateau(sgd);
    for (const dict of [null, {}, { best: '1', badSteps: 0, cooldownLeft: 0 }]) {
      expectError(() => plateau.loadStateDict(dict), 'ERR_STATE_DICT', 'ReduceLROnPlateau');
    }
  });
});
