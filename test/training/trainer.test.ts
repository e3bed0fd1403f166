import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  ConvLSTMError,
  CosineWithWarmup,
  DataLoader,
  loadCheckpoint,
  manualSeed,
  mseLoss,
  Parameter,
  ReduceLROnPlateau,
  SGD,
  Tensor,
  Trainer,
  type TrainerOptions,
  type TrainReport,
} from '../../src/index.js';
import { expectError } from '../support/errors.js';
import { expectClose } from '../support/numbers.js';
import { drain, Line, type Point, points, setUp } from '../support/training.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-trainer-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('Trainer', () => {
  it('learns and reports its progress', async () => {
    const { model, trainer } = setUp({ epochs: 100 });
    expect(trainer.totalSteps).toBe(300);
    const reports = await drain(trainer);
    expect(reports.map(({ step }) => step)).toEqual(
      Array.from({ length: 60 }, (_, n) => 5 * (n + 1)),
    );
    expect(reports[0]).toMatchObject({ epoch: 2, totalSteps: 300, lr: 0.05, validation: null });
    expect(reports.at(-1)).toMatchObject({ epoch: 100, etaSeconds: 0 });
    expect(reports.at(-1)!.loss).toBeLessThan(reports[0]!.loss / 2);
    for (const { samplesPerSecond, etaSeconds } of reports) {
      expect(samplesPerSecond).toBeGreaterThan(0);
      expect(etaSeconds).toBeGreaterThanOrEqual(0);
    }
    const [slope, offset] = await model.values();
    expect(slope).toBeGreaterThan(1.5);
    expect(offset).toBeLessThan(-0.7);
    expect(trainer.ended).toBe('done');
    expect(await drain(trainer)).toEqual([]);
  });

  it('reports the mean loss of the steps since the last report', async () => {
    const single = await drain(setUp({ reportEvery: 1 }).trainer);
    const [first] = await drain(setUp({ reportEvery: 5 }).trainer);
    const mean = single.slice(0, 5).reduce((sum, { loss }) => sum + loss, 0) / 5;
    expect(first!.loss).toBeCloseTo(mean, 10);
  });

  it('adds up the gradients of several batches to one step', async () => {
    // Eval mode draws no masks: two batches of 2 equal one of 4.
    const plain = (model: Line) => ({
      loss: ({ input, target }: { input: Tensor; target: Tensor }) =>
        mseLoss(input.mul(model.slope).add(model.offset), target),
    });
    const run = async (batchSize: number, accumulate: number) => {
      manualSeed(11);
      const model = new Line();
      const trainer = new Trainer<Point>({
        ...plain(model),
        model,
        optimizer: new SGD(model.parameters(), { lr: 0.1 }),
        data: new DataLoader(points, { batchSize }),
        accumulate,
        epochs: 2,
        reportEvery: 1,
      });
      const reports = await drain(trainer);
      return { losses: reports.map(({ loss }) => loss), values: await model.values() };
    };
    const [whole, parts] = [await run(4, 1), await run(2, 2)];
    expect(parts.losses).toHaveLength(6);
    expectClose(parts.losses, whole.losses, 1e-5);
    expectClose(parts.values, whole.values, 1e-5);
    // Remaining batches do not fill a step.
    expect((await run(4, 4)).losses).toHaveLength(1);
  });

  it('clips the gradients', async () => {
    const run = async (clipNorm: number | null) => {
      manualSeed(11);
      const model = new Line();
      const trainer = new Trainer<Point>({
        model,
        optimizer: new SGD(model.parameters(), { lr: 1 }),
        data: new DataLoader(points, { batchSize: 12 }),
        loss: ({ input, target }) => mseLoss(input.mul(model.slope).add(model.offset), target),
        clipNorm,
      });
      await drain(trainer);
      return Math.hypot(...(await model.values()));
    };
    expect(await run(0.25)).toBeCloseTo(0.25, 4);
    expect(await run(null)).toBeGreaterThan(1);
  });

  it('steps a schedule with every step', async () => {
    const { model, optimizer } = setUp();
    const schedule = new CosineWithWarmup(optimizer, { totalSteps: 3 });
    const trainer = new Trainer<Point>({
      model,
      optimizer,
      schedule,
      data: new DataLoader(points, { batchSize: 4 }),
      loss: ({ input, target }) => mseLoss(model.forward(input), target),
      reportEvery: 1,
    });
    const rates = (await drain(trainer)).map(({ lr }) => lr);
    expect(rates[0]).toBe(0.05);
    expect(rates[1]).toBeCloseTo(0.05 * 0.75, 10);
    expect(rates[2]).toBeCloseTo(0.05 * 0.25, 10);
    expect(trainer.history.lr.map(([step]) => step)).toEqual([1, 2, 3]);
  });

  it('validates at the end of each epoch with the model in eval mode', async () => {
    let model: Line;
    const seen: number[] = [];
    const validation = new DataLoader(points, { batchSize: 5 });
    const setting = setUp({
      validation: {
        data: validation,
        loss: ({ input, target }) => {
          seen.push(input.shape[0]!);
          expect(model.training).toBe(false);
          const loss = mseLoss(model.forward(input), target);
          expect(loss.requiresGrad).toBe(false);
          return loss;
        },
      },
    });
    model = setting.model;
    const reports = (await drain(setting.trainer)).filter(({ validation }) => validation !== null);
    expect(reports.map(({ step }) => step)).toEqual([3, 6, 9, 12]);
    expect(seen).toEqual([5, 5, 2, 5, 5, 2, 5, 5, 2, 5, 5, 2]);
    expect(model.training).toBe(true);
    // Mean over samples: the last batch is smaller.
    const [slope, offset] = await model.values();
    let sum = 0;
    for (let n = 0; n < 12; n++) {
      const x = n / 6 - 1;
      sum += (slope! * x + offset! - (2 * x - 1)) ** 2;
    }
    expect(reports.at(-1)!.validation).toBeCloseTo(sum / 12, 4);
    expect(setting.trainer.best).toEqual({ step: 12, loss: reports.at(-1)!.validation });
    expect(reports.every(({ best }) => best)).toBe(true);
    expect(setting.trainer.history.validation).toHaveLength(4);
  });

  it('lowers the rate, then ends, without improvement in validation', async () => {
    // Rising losses after the second validation.
    const scores = [3, 2, 2, 4, 5, 6, 7, 8];
    const { model, optimizer } = setUp();
    const trainer = new Trainer<Point>({
      model,
      optimizer,
      data: new DataLoader(points, { batchSize: 4 }),
      loss: ({ input, target }) => mseLoss(model.forward(input), target),
      schedule: new ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.5 }),
      validation: {
        data: new DataLoader(points, { batchSize: 12 }),
        loss: () => Tensor.from(scores.shift()!),
        every: 2,
        patience: 3,
      },
      epochs: 100,
      reportEvery: 1000,
    });
    const reports = await drain(trainer);
    expect(reports.map(({ step, validation, best }) => [step, validation, best])).toEqual([
      [2, 3, true],
      [4, 2, true],
      [6, 2, false],
      [8, 4, false],
      [10, 5, false],
    ]);
    expect(trainer.ended).toBe('patience');
    expect(trainer.best).toEqual({ step: 4, loss: 2 });
    expect(optimizer.groups[0]!.lr).toBeCloseTo(0.05 / 8, 10);
    expect(await drain(trainer)).toEqual([]); // it has ended
    expect([trainer.step, trainer.ended]).toEqual([10, 'patience']);
  });

  it('keeps the weights of the best validation, over a resume too', async () => {
    const file = join(folder, 'best.safetensors');
    const scores = [3, 2, 4, 5];
    const options = () => ({
      checkpoint: { file },
      validation: {
        data: new DataLoader(points, { batchSize: 12 }),
        loss: () => Tensor.from(scores.shift()!),
      },
    });
    const { model, trainer } = setUp(options());
    expectError(() => trainer.restoreBest(), 'ERR_OPTION', 'expected a validation');
    const seen: number[][] = [];
    for await (const { best } of trainer) {
      if (best) seen.push(await model.values());
      expectError(() => trainer.restoreBest(), 'ERR_OPTION', 'expected no loop');
    }
    expect(seen).toHaveLength(2);
    expect(await model.values()).not.toEqual(seen[1]);
    trainer.restoreBest();
    expect(await model.values()).toEqual(seen[1]);
    const later = setUp(options());
    await later.trainer.resume(file);
    expect(await later.model.values()).not.toEqual(seen[1]);
    expect((await later.trainer.restoreBest()) && (await later.model.values())).toEqual(seen[1]);
  });

  it('reports the means of metrics with each validation', async () => {
    const { trainer } = setUp({
      reportEvery: 1,
      validation: {
        data: new DataLoader(points, { batchSize: 5 }),
        metrics: {
          count: ({ input }) => input.sum().mul(0).add(input.shape[0]!),
          first: ({ target }) => target.slice([0], [1]).sum(),
        },
        every: 4,
      },
    });
    const reports = await drain(trainer);
    for (const { step, metrics } of reports) {
      if (step % 4 !== 0) expect(metrics).toEqual({});
      else {
        expect(metrics['count']).toBeCloseTo((25 + 25 + 4) / 12, 6);
        expect(metrics['first']).toBeCloseTo((5 * -3 + 5 * (-3 + 10 / 6) + 2 * (1 / 3)) / 12, 5);
      }
    }
  });

  it('writes a checkpoint after each validation and after two minutes without one', async () => {
    const file = join(folder, 'minutes.safetensors');
    let ahead = 0;
    const clock = performance.now.bind(performance);
    using _ = { [Symbol.dispose]: () => vi.restoreAllMocks() };
    vi.spyOn(performance, 'now').mockImplementation(() => clock() + ahead);
    const stepOf = async () => (existsSync(file) ? (await loadCheckpoint(file))['step'] : 0);
    const saved: unknown[] = [];
    const { trainer } = setUp({
      reportEvery: 1,
      checkpoint: { file, every: 1000 },
      validation: { data: new DataLoader(points, { batchSize: 12 }), every: 8 },
    });
    for await (const { step } of trainer) {
      saved.push(await stepOf());
      if (step % 2 === 1 && step < 8) ahead += 70_000;
    }
    expect(saved).toEqual([0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12]);
  });

  it('finishes the step, saves and ends on its signal', async () => {
    const file = join(folder, 'aborted.safetensors');
    const interrupt = new AbortController();
    const { trainer } = setUp({
      signal: interrupt.signal,
      checkpoint: { file, every: 1000 },
      reportEvery: 2,
    });
    const reports: TrainReport[] = [];
    for await (const report of trainer) {
      reports.push(report);
      if (report.step === 4) interrupt.abort();
    }
    expect(reports.map(({ step }) => step)).toEqual([2, 4, 5]);
    expect(trainer.ended).toBe('aborted');
    const { trainer: later } = setUp({ reportEvery: 2 });
    await later.resume(file);
    expect(later.step).toBe(5);
    expect((await drain(later)).map(({ step }) => step)).toEqual([6, 8, 10, 12]);
    // A signal aborted before the start trains nothing.
    const { trainer: none } = setUp({ signal: interrupt.signal });
    expect(await drain(none)).toEqual([]);
    expect([none.step, none.ended]).toEqual([0, 'aborted']);
  });

  // sqrt(0) has an infinite gradient.
  const steep = (loss: Tensor, { slope }: Line) => loss.add(slope.sub(slope.detach()).sqrt().sum());
  it.each<[string, number | null, (loss: Tensor, model: Line) => Tensor]>([
    ['the loss is NaN', null, (loss) => loss.mul(Number.NaN)],
    ['the loss is Infinity', null, (loss) => loss.mul(Number.POSITIVE_INFINITY)],
    ['the norm of the gradients is', 1, (loss) => loss.mul(1e30)],
    ['the norm of the gradients is Infinity', 1, steep],
    ['the norm of the gradients is Infinity', null, steep],
  ])(
    'names the step where %s, before it is made: clipNorm %j',
    async (message, clipNorm, spoil) => {
      const file = join(folder, 'finite.safetensors');
      const { model, optimizer } = setUp();
      const before: number[][] = [];
      const trainer = new Trainer<Point>({
        model,
        optimizer,
        data: new DataLoader(points, { batchSize: 4 }),
        loss: ({ input, target }, { step }) => {
          const loss = mseLoss(input.mul(model.slope).add(model.offset), target);
          return step === 7 ? spoil(loss, model) : loss;
        },
        clipNorm,
        epochs: 4,
        reportEvery: 1,
        checkpoint: { file, every: 1000 },
      });
      const running = (async () => {
        for await (const _ of trainer) before.push(await model.values());
      })();
      await expect(running).rejects.toMatchObject({
        code: 'ERR_NOT_FINITE',
        message: expect.stringMatching(new RegExp(`^step 7: ${message}`)),
      });
      await expect(running).rejects.toBeInstanceOf(ConvLSTMError);
      expect(before).toHaveLength(6);
      expect(await model.values()).toEqual(before.at(-1));
      expect(model.slope.grad).toBeNull();
      const { trainer: again } = setUp();
      expect((await again.resume(file)).step).toBe(6);
    },
  );

  it('passes on errors of data and loss and can continue', async () => {
    let failing = true;
    const { model, optimizer } = setUp();
    const trainer = new Trainer<Point>({
      model,
      optimizer,
      data: new DataLoader(points, { batchSize: 4 }),
      loss: ({ input, target }, { step }) => {
        if (failing && step === 2) throw new RangeError('not today');
        return mseLoss(model.forward(input), target);
      },
    });
    await expect(drain(trainer)).rejects.toThrow(RangeError);
    failing = false;
    await drain(trainer);
    expect(trainer.step).toBe(3);
  });

  it('refuses a second loop and a resume only while a loop trains', async () => {
    const file = join(folder, 'one-loop.safetensors');
    const { trainer } = setUp({ reportEvery: 1, checkpoint: { file } });
    const refusal = (action: string) => ({
      code: 'ERR_OPTION',
      message: expect.stringMatching(new RegExp(`^Trainer: expected ${action}.*; await the loop`)),
    });
    for await (const { step } of trainer) {
      if (step === 2) await trainer.save();
      if (step < 3) continue;
      await expect(trainer.run({ progress: 'none' })).rejects.toMatchObject(refusal('one loop'));
      await expect(trainer.resume(file)).rejects.toMatchObject(refusal('no loop'));
      expect(trainer.step).toBe(3);
      break;
    }
    await trainer.resume(file);
    expect(trainer.step).toBe(2);
    const both = await Promise.allSettled([drain(trainer), drain(trainer)]);
    expect(both[0]).toMatchObject({ status: 'fulfilled', value: { length: 10 } });
    expect(both[1]).toMatchObject({ status: 'rejected', reason: refusal('one loop') });
    expect(trainer.step).toBe(12);
  });

  it('refuses a checkpoint in a missing folder before the first step', async () => {
    const file = join(folder, 'none', 'run.safetensors');
    const { trainer } = setUp({ checkpoint: { file } });
    await expect(drain(trainer)).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining(`${file}: cannot write`),
    });
    expect(trainer.step).toBe(0);
  });

  it('disposes the tensors of a step and nothing that lives longer', async () => {
    const left: Tensor[] = [];
    const { model, optimizer } = setUp();
    const constant = Tensor.from(2);
    const trainer = new Trainer<Point>({
      model,
      optimizer,
      data: new DataLoader(points, { batchSize: 4 }),
      loss: ({ input, target }) => {
        const forecast = model.forward(input);
        const loss = mseLoss(forecast, target).mul(constant);
        left.push(input, target, forecast, loss);
        return loss;
      },
      validation: { data: new DataLoader(points) },
      clipNorm: 1,
    });
    await drain(trainer);
    expect(left).toHaveLength(4 * (3 + 12));
    expect(left.every((tensor) => tensor.disposed)).toBe(true);
    expect([constant, ...model.parameters()].some((tensor) => tensor.disposed)).toBe(false);
  });

  it('leaves parameters outside the optimizer alone and trains parameters outside the model', async () => {
    manualSeed(11);
    const model = new Line();
    const factor = new Parameter(Tensor.from([1]));
    const trainer = new Trainer<Point>({
      model,
      optimizer: new SGD([model.slope, factor], { lr: 0.01 }),
      data: new DataLoader(points, { batchSize: 4 }),
      loss: ({ input, target }) => mseLoss(model.forward(input).mul(factor), target.add(3)),
      accumulate: 3,
      epochs: 3,
    });
    await drain(trainer);
    const [slope, offset] = await model.values();
    expect(slope).not.toBe(0);
    expect(offset).toBe(0);
    expect([model.slope, model.offset, factor].map(({ grad }) => grad)).toEqual([null, null, null]);
  });

  it.each<[string, Partial<TrainerOptions<Point>>]>([
    ["Trainer has no option 'epoch'", { epoch: 2 } as object],
    [
      "validation has no option 'evry'",
      { validation: { data: new DataLoader(points), evry: 2 } as never },
    ],
    ["checkpoint has no option 'evry'", { checkpoint: { file: 'x', evry: 2 } as never }],
    ['epochs', { epochs: 0 }],
    ['accumulate', { accumulate: 1.5 }],
    ['accumulate', { accumulate: 13 }],
    ['clipNorm', { clipNorm: 0 }],
    ['reportEvery', { reportEvery: -1 }],
    ['model: expected a Module, got undefined', { model: undefined as never }],
    ['optimizer: expected an optimizer such as Adam, got [class SGD', { optimizer: SGD as never }],
    ['data: expected a DataLoader, got [1]', { data: [1] as never }],
    ['data: expected a DataLoader, got { length: 12', { data: points as never }],
    ['loss: expected a function, got undefined', { loss: undefined as never }],
    [
      'schedule: expected a schedule of this package, got { step',
      { schedule: { step() {} } as never },
    ],
    [
      'schedule: expected validation, which ReduceLROnPlateau needs',
      { schedule: new ReduceLROnPlateau(new SGD(new Line().parameters())) },
    ],
    ['validation.data: expected a DataLoader, got undefined', { validation: {} as never }],
    [
      'validation.loss: expected a function',
      { validation: { data: new DataLoader(points), loss: 'mse' as never } },
    ],
    [
      'validation.metrics.mae: expected a function',
      { validation: { data: new DataLoader(points), metrics: { mae: 1 } } as never },
    ],
    ['checkpoint.file: expected a path', { checkpoint: {} as never }],
    ["clipNorm: expected a number above 0, got '1'", { clipNorm: '1' as never }],
    ['signal: expected an AbortSignal', { signal: new AbortController() as never }],
    ['checkpoint.every', { checkpoint: { file: 'x', every: 0 } }],
    ['validation.every', { validation: { data: new DataLoader(points), every: 0 } }],
    ['validation.patience', { validation: { data: new DataLoader(points), patience: 0 } }],
  ])('refuses options out of range or unknown: %s', (name, options) => {
    expectError(() => setUp(options), 'ERR_OPTION', name);
  });

  it('refuses an asynchronous loss', async () => {
    const loss = (async () => Tensor.from(1)) as unknown as () => Tensor;
    await expect(drain(setUp({ loss }).trainer)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: 'loss: expected a Tensor, got Promise',
    });
  });

  it.each(['loss', 'validation'])('refuses a %s of several numbers', async (where) => {
    const loss = () => Tensor.ones([2]);
    const validation = { data: new DataLoader(points), loss };
    const { trainer } = setUp(where === 'loss' ? { loss } : { validation });
    await expect(drain(trainer)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  });

  it('refuses the training loader for validation', () => {
    const data = new DataLoader(points);
    expectError(() => setUp({ data, validation: { data } }), 'ERR_OPTION', 'validation.data');
  });
});
