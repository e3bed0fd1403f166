import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { setUp } from '../support/training.js';

describe('Trainer.run', () => {
  it('prints lines, JSON or nothing', async () => {
    const shown = async (progress: 'auto' | 'lines' | 'json' | 'none') => {
      const stream = new PassThrough();
      const { trainer } = setUp();
      expect(await trainer.run({ progress, stream })).toBe('done');
      return String(stream.read() ?? '');
    };
    const lines = (await shown('auto')).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(
      /^step 5\/12, epoch 2, loss [\d.]+, lr 0\.05, [\d.]+ samples\/s, \d+ s left$/,
    );
    expect((await shown('lines')).split('\n')).toHaveLength(4);
    const json = (await shown('json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(json.map(({ step }) => step)).toEqual([5, 10, 12]);
    expect(Object.keys(json[0]!)).toEqual([
      'epoch',
      'step',
      'totalSteps',
      'loss',
      'lr',
      'samplesPerSecond',
      'etaSeconds',
      'validation',
      'metrics',
      'best',
    ]);
    expect(await shown('none')).toBe('');
  });

  it.each([
    [{ progess: 'json' }, "Trainer.run has no option 'progess'; it has progress, stream"],
    [{ progress: 'bar' }, "progress: expected 'auto', 'lines', 'json' or 'none', got 'bar'"],
  ])('refuses %j before the first step', async (options, message) => {
    const { trainer } = setUp();
    await expect(trainer.run(options as object)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message,
    });
    expect(trainer.step).toBe(0);
  });

  it('shows a bar on a terminal', async () => {
    const stream = Object.assign(new PassThrough(), {
      isTTY: true,
      columns: 200,
      cursorTo: () => true,
      clearLine: () => true,
      moveCursor: () => true,
    });
    await setUp().trainer.run({ stream });
    const text = String(stream.read());
    expect(text).toMatch(/^\S*\[-+\] 0\/12 first steps/);
    expect(text).toMatch(/\[=+\] 12\/12 epoch 4, loss/);
  });
});
