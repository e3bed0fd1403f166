import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Adam,
  type Batch,
  CosineWithWarmup,
  DataLoader,
  loadCheckpoint,
  manualSeed,
  mseLoss,
  randomState,
  SGD,
  saveCheckpoint,
  Trainer,
  type TrainReport,
} from '../../src/index.js';
import { drain, Line, type Point, points, type Setting, setUp } from '../support/training.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-resume-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('resuming', () => {
  const bits = async (model: Line) =>
    Promise.all(model.parameters().map(async (p) => new Uint32Array((await p.data()).buffer)));

  it('ends with the same bits after an interruption anywhere', async () => {
    const options = { accumulate: 2, epochs: 8, clipNorm: 0.5, reportEvery: 1 };
    const make = (file?: string) => {
      manualSeed(11);
      const model = new Line();
      const optimizer = new Adam(model.parameters(), { lr: 0.05 });
      const trainer = new Trainer<Point>({
        model,
        optimizer,
        schedule: new CosineWithWarmup(optimizer, { totalSteps: 12, warmupSteps: 3 }),
        data: new DataLoader(points, { batchSize: 4, shuffle: true }),
        loss: ({ input, target }) => mseLoss(model.forward(input), target),
        validation: { data: new DataLoader(points, { batchSize: 5 }) },
        ...options,
        checkpoint: file === undefined ? null : { file, every: 1 },
      });
      return { model, trainer };
    };
    const whole = make();
    await drain(whole.trainer);
    expect(whole.trainer.step).toBe(12);
    const expected = await bits(whole.model);
    for (const stop of [1, 3, 4, 7, 11, 12]) {
      const file = join(folder, `stopped-${stop}.safetensors`);
      const interrupted = make(file);
      for await (const { step } of interrupted.trainer) if (step >= stop) break;
      manualSeed(99); // the random state of another process
      const { model, trainer } = make();
      await trainer.resume(file);
      await drain(trainer);
      expect(trainer.step).toBe(12);
      expect(await bits(model)).toEqual(expected);
      expect(trainer.best).toEqual(whole.trainer.best);
      expect(trainer.history.validation).toEqual(whole.trainer.history.validation);
    }
  });

  it.each([1, 2, 4, 5, 7, 11])(
    'reports as an uninterrupted run after a stop at step %i',
    async (stop) => {
      const file = join(folder, `reported-${stop}.safetensors`);
      const make = (signal?: AbortSignal, seen: (step: number) => void = () => {}) => {
        const setting: Setting = setUp({
          reportEvery: 3,
          checkpoint: { file, every: 1000 },
          validation: { data: new DataLoader(points, { batchSize: 5 }), every: 4 },
          loss: ({ input, target }, { step }) => {
            seen(step);
            return mseLoss(setting.model.forward(input), target);
          },
          signal,
        });
        return setting.trainer;
      };
      const timeless = (reports: TrainReport[]) =>
        reports.map(({ samplesPerSecond: _, etaSeconds: __, ...rest }) => rest);
      const whole = make();
      const expected = timeless(await drain(whole));
      const interrupt = new AbortController();
      const first = make(interrupt.signal, (step) => {
        if (step === stop) interrupt.abort();
      });
      const before = timeless(await drain(first));
      expect(first.step).toBe(stop);
      const later = make();
      await later.resume(file);
      expect(later.report?.step).toBe(first.history.loss.at(-1)?.[0]);
      const regular = before.filter(({ step }) => first.history.loss.some(([at]) => at === step));
      expect([...regular, ...timeless(await drain(later))]).toEqual(expected);
      expect(later.history).toEqual(whole.history);
    },
  );

  it('loses no step to errors of data or loss', async () => {
    const file = join(folder, 'failed.safetensors');
    const make = (failing: 'data' | 'loss' | null) => {
      manualSeed(11);
      const model = new Line();
      let left = 11; // the second batch of step 3
      const get = (index: number) => {
        if (failing === 'data' && left-- === 0) throw new RangeError('unreadable');
        return points.get(index, 0);
      };
      const trainer = new Trainer<Point>({
        model,
        optimizer: new Adam(model.parameters(), { lr: 0.05 }),
        data: new DataLoader({ length: 12, get }, { batchSize: 2, shuffle: true, prefetch: 1 }),
        loss: ({ input, target }, { step }) => {
          const loss = mseLoss(model.forward(input), target);
          return failing === 'loss' && step === 4 ? loss.mul(Number.NaN) : loss;
        },
        accumulate: 2,
        epochs: 4,
        checkpoint: failing && { file },
      });
      return { model, trainer };
    };
    const whole = make(null);
    await drain(whole.trainer);
    for (const [failing, code, step] of [
      ['data', 'ERR_IO', 2],
      ['loss', 'ERR_NOT_FINITE', 3],
    ] as const) {
      const failed = make(failing);
      await expect(drain(failed.trainer)).rejects.toMatchObject({ code });
      const { model, trainer } = make(null);
      await trainer.resume(file);
      expect(trainer.step).toBe(step);
      await drain(trainer);
      expect(await bits(model)).toEqual(await bits(whole.model));
    }
    // The same trainer can continue too.
    const { model, trainer } = make('data');
    await expect(drain(trainer)).rejects.toMatchObject({ code: 'ERR_IO' });
    await drain(trainer);
    expect(await bits(model)).toEqual(await bits(whole.model));
  });

  it('saves the last completed step when save() is called during a step', async () => {
    const file = join(folder, 'middle.safetensors');
    const make = (watch: (step: number) => void = () => {}) => {
      const setting: Setting = setUp({
        checkpoint: { file, every: 1000 },
        accumulate: 2,
        loss: ({ input, target }, { step }) => {
          const loss = mseLoss(setting.model.forward(input), target);
          watch(step);
          return loss;
        },
      });
      return setting;
    };
    const whole = make();
    await drain(whole.trainer);
    let saving: Promise<void> | undefined;
    const { trainer } = make((step) => {
      // A timer or a signal may call save() at this point.
      if (step === 4) queueMicrotask(() => (saving = trainer.save()));
    });
    for await (const { step } of trainer) if (step >= 4) break;
    await saving;
    const later = make();
    expect((await later.trainer.resume(file)).step).toBe(3);
    await drain(later.trainer);
    expect(await bits(later.model)).toEqual(await bits(whole.model));
  });

  it('writes the curve beside the checkpoint', async () => {
    const file = join(folder, 'curve.safetensors');
    const { trainer } = setUp({ checkpoint: { file, every: 5 } });
    // During training and at the end.
    for await (const _ of trainer) {
      expect(await readFile(join(folder, 'curve.svg'), 'utf8')).toContain('<svg');
    }
    expect(await readFile(join(folder, 'curve.svg'), 'utf8')).toContain('<polyline');
    const { trainer: later } = setUp();
    await later.resume(file);
    expect(later.history).toEqual(trainer.history);
    expect(later.seconds).toBeGreaterThan(0);
    expect(await drain(later)).toEqual([]);
  });

  it('refuses a checkpoint that does not fit and stays unchanged', async () => {
    const file = join(folder, 'other.safetensors');
    const none = join(folder, 'none.safetensors');
    await drain(setUp({ checkpoint: { file } }).trainer);
    const whole = await loadCheckpoint(file);
    for (const state of [
      { step: 3 },
      { ...whole, position: null },
      { ...whole, step: -1 },
      { ...whole, seconds: 'many' },
      { ...whole, best: 5 },
      { ...whole, best: { loss: 'small', step: 1, since: 0 } },
      { ...whole, history: { loss: [1], validation: [], lr: [] } },
      { ...whole, history: null },
      { ...whole, model: { slope: 1 } },
      { ...whole, model: null },
      { ...whole, optimizer: { tensors: { '0.average': 3 }, settings: {} } },
      { ...whole, optimizer: { tensors: {}, settings: 'none' } },
      { ...whole, window: { step: 1 } },
      { ...whole, report: 'lost' },
      { ...whole, bestModel: [1] },
    ]) {
      await saveCheckpoint(none, state);
      await expect(setUp().trainer.resume(none)).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringContaining('is not a checkpoint of a Trainer'),
      });
    }
    await expect(setUp().trainer.resume(`${file}.gone`)).rejects.toMatchObject({ code: 'ERR_IO' });

    // The model fits; the optimizer or the data does not.
    const { model, optimizer } = setUp();
    const loss = ({ input }: Batch<Point>) => input.mul(model.slope).sum();
    const short = new DataLoader(points, { batchSize: 12 }).seek({ epoch: 5, batch: 0 });
    await saveCheckpoint(none, {
      ...(await loadCheckpoint(file)),
      position: { epoch: 3, batch: 2 },
    });
    for (const [other, wrong, code] of [
      [new SGD(model.parameters()), file, 'ERR_STATE_DICT'],
      [optimizer, none, 'ERR_OPTION'],
    ] as const) {
      const trainer = new Trainer<Point>({ model, optimizer: other, data: short, loss });
      const random = randomState();
      const settings = other.stateDict().settings;
      await expect(trainer.resume(wrong)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`${wrong}: `),
      });
      expect(trainer.step).toBe(0);
      expect(await model.values()).toEqual([0, 0]);
      expect(randomState()).toEqual(random);
      expect(short.position).toEqual({ epoch: 5, batch: 0 });
      expect(other.stateDict().settings).toEqual(settings);
    }
  });

  it('is done after resuming from a longer run', async () => {
    const file = join(folder, 'longer.safetensors');
    await drain(setUp({ checkpoint: { file }, epochs: 2 }).trainer);
    const { trainer } = setUp({ epochs: 1 });
    await trainer.resume(file);
    expect(await drain(trainer)).toEqual([]);
    expect([trainer.step, trainer.ended]).toEqual([6, 'done']);
  });
});
