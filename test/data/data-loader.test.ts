import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import {
  type Batch,
  ConvLSTMError,
  DataLoader,
  type DataLoaderOptions,
  type Dataset,
  MovingMnist,
} from '../../src/index.js';
import { expectError } from '../support/errors.js';

/** Sample n of epoch e is the number 100 e + n. */
function numbers(length: number): Dataset<{ input: { data: Float32Array; shape: number[] } }> {
  return {
    length,
    get: (index, epoch) => ({
      input: { data: Float32Array.of(100 * epoch + index), shape: [] },
    }),
  };
}

async function drain(source: AsyncIterable<Batch>): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const batch of source) {
    batches.push([...(await batch['input']!.data())]);
    batch['input']!.dispose();
  }
  return batches;
}

describe('DataLoader', () => {
  it('returns samples in order, epoch after epoch', async () => {
    const loader = new DataLoader(numbers(5), { batchSize: 2 });
    expect(loader.batchesPerEpoch).toBe(3);
    expect(await drain(loader)).toEqual([[0, 1], [2, 3], [4]]);
    expect(await drain(loader)).toEqual([[100, 101], [102, 103], [104]]);
  });

  it('drops an incomplete batch with dropLast', async () => {
    const loader = new DataLoader(numbers(5), { batchSize: 2, dropLast: true });
    expect(loader.batchesPerEpoch).toBe(2);
    expect(await drain(loader)).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('shuffles by seed, differently in each epoch, without losing a sample', async () => {
    const make = (seed: number) => new DataLoader(numbers(50), { shuffle: true, seed });
    const loader = make(3);
    const [first, second] = [(await drain(loader)).flat(), (await drain(loader)).flat()];
    const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
    expect(sorted(first)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(sorted(second)).toEqual(Array.from({ length: 50 }, (_, n) => 100 + n));
    expect(first).not.toEqual(sorted(first));
    expect(second.map((n) => n - 100)).not.toEqual(first);
    expect((await drain(make(3))).flat()).toEqual(first);
    expect((await drain(make(4))).flat()).not.toEqual(first);
  });

  it('continues from a position, in mid-epoch and at the end of one', async () => {
    const options: DataLoaderOptions = { batchSize: 3, shuffle: true, prefetch: 4 };
    const whole = new DataLoader(numbers(10), options);
    const expected = [...(await drain(whole)), ...(await drain(whole))];
    const loader = new DataLoader(numbers(10), options);
    const seen: number[][] = [];
    for await (const { input } of loader) {
      seen.push([...(await input.data())]);
      if (seen.length === 2) break;
    }
    // Batches loaded ahead do not count.
    expect(loader.position).toEqual({ epoch: 0, batch: 2 });
    const other = new DataLoader(numbers(10), options).seek(loader.position);
    seen.push(...(await drain(other)));
    expect(other.position).toEqual({ epoch: 1, batch: 0 });
    seen.push(...(await drain(other)));
    expect(seen).toEqual(expected);
  });

  it('endless() continues past the end of an epoch', async () => {
    const loader = new DataLoader(numbers(2));
    const seen: number[] = [];
    for await (const { input } of loader.endless()) {
      seen.push(input.itemSync());
      if (seen.length === 5) break;
    }
    expect(seen).toEqual([0, 1, 100, 101, 200]);
    expect(loader.position).toEqual({ epoch: 2, batch: 1 });
  });

  it('refuses a second loop while the first one runs, not after it', async () => {
    const loader = new DataLoader(numbers(4));
    const unused = loader[Symbol.asyncIterator]();
    const refusal = {
      code: 'ERR_OPTION',
      message:
        'DataLoader: expected one loop at a time; end the first by break or return(), or make a second DataLoader',
    };
    const seen: number[] = [];
    for await (const { input } of loader) {
      seen.push(input.itemSync());
      await expect(drain(loader as never)).rejects.toMatchObject(refusal);
      await expect(loader.endless().next()).rejects.toMatchObject(refusal);
    }
    expect(seen).toEqual([0, 1, 2, 3]);
    const both = await Promise.allSettled([drain(loader), drain(loader)]);
    expect(both[0]).toEqual({ status: 'fulfilled', value: [[100], [101], [102], [103]] });
    expect(both[1]).toMatchObject({ status: 'rejected', reason: refusal });
    for (const end of ['break', 'throw']) {
      const leaving = (async () => {
        for await (const _ of loader) {
          if (end === 'break') break;
          throw new Error('of the caller');
        }
      })();
      await leaving.catch(() => {});
    }
    expect(loader.position).toEqual({ epoch: 2, batch: 2 });
    expect((await unused.return()).done).toBe(true);
    expect(await drain(loader)).toEqual([[202], [203]]);
  });

  it('makes the next batches while the last one is in use', async () => {
    const made: number[] = [];
    const dataset: Dataset = {
      length: 9,
      get(index) {
        made.push(index);
        return { input: { data: Float32Array.of(index), shape: [] } };
      },
    };
    for await (const { input } of new DataLoader(dataset, { prefetch: 3 })) {
      input!.dispose();
      await new Promise((resolve) => setTimeout(resolve, 20));
      break;
    }
    expect(made).toEqual([0, 1, 2, 3]);
  });

  it('stacks arrays of any rank by name', async () => {
    const dataset: Dataset = {
      length: 2,
      get: (index) => ({
        frames: { data: new Float32Array(6).fill(index), shape: [1, 2, 3] },
        label: { data: Float32Array.of(index), shape: [] },
      }),
    };
    for await (const { frames, label } of new DataLoader(dataset, { batchSize: 2 })) {
      expect(frames!.shape).toEqual([2, 1, 2, 3]);
      expect(label!.shape).toEqual([2]);
      expect([...(await frames!.data())]).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    }
  });

  it('rejects with the error of a sample, its number and its cause', async () => {
    const cause = new TypeError('no such frame');
    const dataset: Dataset = {
      length: 4,
      get(index) {
        if (index === 2) throw cause;
        return { input: { data: Float32Array.of(index), shape: [] } };
      },
    };
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { input } of new DataLoader(dataset)) seen.push(input!.itemSync());
    })();
    await expect(reading).rejects.toMatchObject({
      code: 'ERR_IO',
      message: 'sample 2: no such frame',
      cause,
    });
    expect(seen).toEqual([0, 1]);
  });

  it.each<[string, Dataset['get'], RegExp]>([
    [
      'shape',
      (index) => ({ input: { data: new Float32Array(1 + index), shape: [1 + index] } }),
      /^sample 1: input: expected \[1\], got \[2\]$/,
    ],
    [
      'name',
      (index) => ({ [`input${index}`]: { data: new Float32Array(1), shape: [1] } }),
      /^sample 1: expected input0, got input1$/,
    ],
    [
      'number of values',
      () => ({ input: { data: new Float32Array(1), shape: [2] } }),
      /^sample 0: input: \[2\] does not hold 1 values$/,
    ],
    [
      'kind: a list',
      () => [1, 2, 3] as never,
      /^sample 0: expected arrays \{ data, shape \} by name$/,
    ],
    ['kind: nothing', () => null as never, /^sample 0: expected arrays/],
    ['kind: no arrays', () => ({}), /^sample 0: expected arrays/],
    [
      'kind: bare values',
      () => ({ x: new Float32Array(1) }) as never,
      /^sample 0: expected arrays/,
    ],
  ])('refuses samples of another %s', async (_, get, message) => {
    const reading = drain(new DataLoader({ length: 2, get }, { batchSize: 2 }));
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toBeInstanceOf(ConvLSTMError);
    await expect(reading).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  });

  it.each<[string, () => unknown]>([
    ['expected a dataset { length, get }, got an array', () => new DataLoader([1] as never)],
    ['expected a dataset { length, get }, got undefined', () => new DataLoader(undefined as never)],
    ['dataset.length', () => new DataLoader(numbers(0))],
    ['batchSize', () => new DataLoader(numbers(1), { batchSize: 0 })],
    ['batchSize', () => new DataLoader(numbers(3), { batchSize: 4, dropLast: true })],
    ['seed', () => new DataLoader(numbers(1), { seed: 0.5 })],
    ['workers', () => new DataLoader(numbers(1), { workers: -1 })],
    ['workers', () => new DataLoader(numbers(1), { workers: 1 })],
    ['prefetch', () => new DataLoader(numbers(1), { prefetch: 0 })],
    ["no option 'batchsize'", () => new DataLoader(numbers(1), { batchsize: 2 } as object)],
    ['position', () => new DataLoader(numbers(2)).seek({ epoch: 0, batch: 2 })],
    ['position', () => new DataLoader(numbers(2)).seek({ epoch: -1, batch: 0 })],
  ])('refuses options out of range or unknown: %s', (name, make) => {
    expectError(make, 'ERR_OPTION', name);
  });
});

/** Uses the built package: worker threads load JavaScript. */
describe('worker threads', () => {
  const built: Promise<typeof import('../../src/index.js')> = import(
    new URL('../../dist/index.js', import.meta.url).href
  );
  const digits = {
    data: Uint8Array.from({ length: 160 }, (_, i) => i),
    shape: [10, 4, 4],
  };
  const program = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
  it('make the same samples as this thread, in the same order', async () => {
    const { DataLoader, MovingMnist: Built } = await built;
    const options = { size: 16, length: 11, seed: 5 };
    const here = new MovingMnist(digits, options);
    const there = new Built(digits, options);
    const order = { batchSize: 2, shuffle: true, seed: 1 };
    const loader = new DataLoader(there, { ...order, workers: 3 });
    const local = new DataLoader(there, order);
    let count = 0;
    const other = local[Symbol.asyncIterator]();
    for await (const { input, target } of loader) {
      const expected = (await other.next()).value!;
      expect(await input.data()).toEqual(await expected.input.data());
      expect(await target.data()).toEqual(await expected.target.data());
      count++;
    }
    expect(count).toBe(6);
    await other.return();
    expect(here.get(0).input.data).toEqual(there.get(0).input.data);
  });

  it('make windows of a FrameFolder', async () => {
    const { DataLoader, FrameFolder, npy } = await built;
    const folder = await mkdtemp(join(tmpdir(), 'convlstm-loader-'));
    const frames = { data: Float32Array.from({ length: 160 }, (_, i) => i), shape: [10, 4, 4] };
    await npy.save(join(folder, 'frames.npy'), frames);
    const options = { inputLength: 2, targetLength: 1, crop: 2, vary: true, flip: 'both' } as const;
    const dataset = await FrameFolder.open(folder, options);
    const seen: Float32Array[][] = [[], []];
    for (const [n, workers] of [0, 2].entries()) {
      for await (const { input } of new DataLoader(dataset, { batchSize: 3, workers })) {
        seen[n]!.push(await input.data());
      }
    }
    expect(seen[0]).toHaveLength(3);
    expect(seen[1]).toEqual(seen[0]);
    await rm(folder, { recursive: true });
  });

  it('make `prefetch` batches ahead of the loop, no more and no fewer', async () => {
    const { DataLoader } = await built;
    const made = new Int32Array(new SharedArrayBuffer(4));
    const text = `export default (made) => ({ length: 8, get(index) {
      Atomics.add(made, 0, 1);
      return { input: { data: Float32Array.of(index), shape: [] } };
    } })`;
    const dataset: Dataset = {
      length: 8,
      source: { module: program(text), options: made },
      get: () => expect.unreachable('made in this thread'),
    };
    let taken = 0;
    for await (const batch of new DataLoader(dataset, { workers: 1, prefetch: 4 })) {
      batch['input']!.dispose();
      const expected = Math.min(8, ++taken + 4);
      await vi.waitFor(() => expect(Atomics.load(made, 0)).toBe(expected), 30_000);
    }
    expect(taken).toBe(8);
  });

  it.each([
    [
      'a sample that throws',
      `export default () => ({ length: 3, get(index) {
        if (index === 1) throw new RangeError('out of frames');
        return { input: { data: Float32Array.of(index), shape: [] } };
      } })`,
      /^sample 1: out of frames$/,
    ],
    [
      'a dataset that cannot be made',
      `export default () => { throw new Error('no folder') }`,
      /^no folder$/,
    ],
    ['a module that is none', 'export default (', /./],
    [
      'a worker that ends',
      `export default () => process.exit(3)`,
      /a worker of the DataLoader failed: it ended with exit code 3/,
    ],
  ])('pass on the failure of %s', async (_, text, message) => {
    const { DataLoader } = await built;
    const dataset: Dataset = {
      length: 3,
      source: { module: program(text) },
      get: () => expect.unreachable('made in this thread'),
    };
    const reading = (async () => {
      for await (const batch of new DataLoader(dataset, { workers: 2 })) batch['input']!.dispose();
    })();
    await expect(reading).rejects.toThrow(message);
    const error = await reading.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'ConvLSTMError', code: 'ERR_IO' });
    expect((error as Error).cause).toBeInstanceOf(Error);
  });

  it.each<[string, string, unknown, string]>([
    ['that cannot go to a worker', 'export default () => ({})', () => 1, 'source.options: cannot'],
    ['that makes none', 'export const dataset = 1', null, 'has no default export'],
  ])('refuse a source %s', async (_, text, options, message) => {
    const { DataLoader } = await built;
    const dataset: Dataset = {
      length: 1,
      source: { module: program(text), options },
      get: () => expect.unreachable('made in this thread'),
    };
    await expect(drain(new DataLoader(dataset, { workers: 1 }) as never)).rejects.toMatchObject({
      name: 'ConvLSTMError',
      code: 'ERR_OPTION',
      message: expect.stringContaining(message),
    });
  });

  /** A dataset whose workers count up while they live. */
  function ticking(): { ticks: Int32Array; dataset: Dataset } {
    const ticks = new Int32Array(new SharedArrayBuffer(4));
    const text = `export default (ticks) => {
      setInterval(() => Atomics.add(ticks, 0, 1), 1);
      return { length: 9, get: () => ({ input: { data: new Float32Array(1), shape: [] } }) };
    }`;
    const get = () => expect.unreachable('made in this thread');
    return {
      ticks,
      dataset: { length: 9, source: { module: program(text), options: ticks }, get },
    };
  }

  it.each([
    ['a loop that is left early', 1],
    ['the last batch', 9],
  ])('end with %s', async (_, wanted) => {
    const { DataLoader } = await built;
    const { ticks, dataset } = ticking();
    let count = 0;
    for await (const batch of new DataLoader(dataset, { workers: 2 })) {
      batch['input']!.dispose();
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (++count === wanted) break;
    }
    expect(count).toBe(wanted);
    const after = Atomics.load(ticks, 0);
    expect(after).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(Atomics.load(ticks, 0)).toBe(after);
  });

  it('end when the iterator is dropped, and free the loader', async () => {
    const { DataLoader } = await built;
    const { ticks, dataset } = ticking();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const loader = new DataLoader(dataset, { workers: 2 });
    await (async () => {
      const { value } = await loader[Symbol.asyncIterator]().next();
      value!['input']!.dispose();
    })();
    await vi.waitFor(async () => {
      collect();
      const before = Atomics.load(ticks, 0);
      expect(before).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(Atomics.load(ticks, 0)).toBe(before);
    }, 30_000);
    let count = 0;
    for await (const batch of loader) {
      batch['input']!.dispose();
      count++;
    }
    expect(count).toBe(8); // the first was taken
  });

  it('end with return() during a batch, whose next() is then done', async () => {
    const { DataLoader } = await built;
    const dataset: Dataset = {
      length: 9,
      source: { module: program('export default () => ({ get() { for (;;); } })') },
      get: () => expect.unreachable('made in this thread'),
    };
    const loop = new DataLoader(dataset, { workers: 2 }).endless();
    const [first, second] = [loop.next(), loop.next()];
    expect(await loop.return()).toEqual({ value: undefined, done: true });
    expect(await Promise.all([first, second])).toEqual(
      Array(2).fill({ value: undefined, done: true }),
    );
  });
});
