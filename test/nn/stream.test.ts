import { readFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  Conv2d,
  ConvLSTM,
  type ConvLSTMStream,
  Module,
  safetensors,
  Tensor,
} from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';
import { expectClose } from '../support/numbers.js';

class Net extends Module {
  cells = new ConvLSTM({ inputDim: 1, hiddenDim: [3, 2], kernelSize: 3, batchFirst: true });
  head = new Conv2d({ inChannels: 2, outChannels: 1, kernelSize: 1 });
}

it.skipIf(devices.length < 2)(
  'a stream continues on the device of its layers after load(save())',
  async () => {
    const cells = new ConvLSTM({ inputDim: 1, hiddenDim: 2, kernelSize: 3 });
    const frame = { data: new Float32Array(20).fill(0.5), shape: [1, 5, 4] };
    const stream = cells.stream();
    stream.step(frame);
    const expected = await stream.clone().step(frame).data();
    cells.to('javascript');
    expectError(
      () => stream.step(frame),
      'ERR_DEVICE',
      "layers are on 'javascript'",
      "is on 'cpu'",
    );
    stream.load(await stream.save());
    expectClose(await stream.step(frame).data(), expected, 1e-6);
  },
);

it('loads version 1 of the bytes', async () => {
  const net = new ConvLSTM({ inputDim: 1, hiddenDim: [2, 1], kernelSize: 3 });
  for (const parameter of net.parameters()) {
    const values = Array.from({ length: parameter.size }, (_, k) => Math.sin(k + 1) / 2);
    parameter.assign(Tensor.from(values, parameter.shape));
  }
  const frame = (value: number) => ({ data: new Float32Array(6).fill(value), shape: [1, 3, 2] });
  const bytes = readFileSync(new URL('../fixtures/stream-state-v1.bin', import.meta.url));
  const stream = net.stream();
  for (const value of [0.25, 0.75]) stream.feed(frame(value));
  const expected = await stream.step(frame(0.5)).data();
  const h = stream.load(bytes).step(frame(0.5));
  expectClose(await h.data(), expected, 1e-6);

  const broken = (at: number, value: number, part: string) => {
    const copy = Uint8Array.from(bytes);
    copy[at] = value;
    new DataView(copy.buffer).setUint32(12, crc32(copy.subarray(16)), true);
    expectError(() => stream.load(copy), 'ERR_FORMAT', part);
  };
  broken(19, 0xff, 'layers do not fit');
  broken(23, 0xff, 'sizes');
  broken(20, 0, 'sizes');
});

describe.each(devices)('stream on %s', (device) => {
  const net = new Net().to(device);
  const sequence = Tensor.randn([1, 6, 1, 5, 4], { device });
  const frames = Array.from({ length: 6 }, (_, t) => sequence.select(1, t));
  const predict = (h: Tensor) => net.head.forward(h).sigmoid();
  const array = (tensor: Tensor) => tensor.toArraySync();

  const fed = (count: number): ConvLSTMStream => {
    const stream = net.cells.stream();
    for (const frame of frames.slice(0, count)) stream.step(frame).dispose();
    return stream;
  };

  it('keeps the state between frames', () => {
    const output = net.cells.forward(sequence).outputs[0]!;
    const stream = net.cells.stream();
    frames.forEach((frame, t) => {
      const h = stream.step(frame);
      expect(h.sub(output.select(1, t)).abs().max().itemSync()).toBeLessThan(1e-6);
      expect(frame.disposed).toBe(false);
      h.dispose(); // the stream's own state stays
    });
  });

  it('accepts frames that are not tensors', () => {
    const data = frames[0]!.dataSync();
    const h = net.cells.stream().step({ data, shape: [1, 1, 5, 4] });
    expect(h.device).toBe(device);
    expect(array(h)).toEqual(array(net.cells.stream().step(frames[0]!)));
  });

  it('treats a frame [C, H, W] as a batch of one', () => {
    const expected = array(net.cells.stream().step(frames[0]!));
    const data = frames[0]!.dataSync();
    for (const frame of [frames[0]!.squeeze(0), { data, shape: [1, 5, 4] }]) {
      const h = net.cells.stream().step(frame);
      expect(h.shape).toEqual([1, 2, 5, 4]);
      expect(array(h)).toEqual(expected);
      if (frame instanceof Tensor) expect(frame.disposed).toBe(false);
    }
  });

  it('frees the states it replaces', () => {
    const stream = net.cells.stream();
    const h = stream.step(frames[0]!);
    const { storage } = h;
    h.dispose();
    expect(storage.disposed).toBe(false);
    stream.step(frames[1]!);
    expect(storage.disposed).toBe(true);
  });

  it('a refused step leaves the state unchanged', () => {
    const stream = fed(2);
    const other = stream.clone();
    expectError(
      () => stream.step(Tensor.zeros([1, 2, 5, 4], { device })),
      'ERR_SHAPE',
      '[B, 1, H, W]',
    );
    expectError(
      () => stream.step(Tensor.zeros([1, 1, 4, 4], { device })),
      'ERR_SHAPE',
      'frame: expected [1, 1, 5, 4] as before, got [1, 1, 4, 4]; reset()',
    );
    expect(array(stream.step(frames[2]!))).toEqual(array(other.step(frames[2]!)));
  });

  it('run works in for await, over arrays and async iterables', async () => {
    const expected = array(fed(5).step(frames[5]!));
    let last: Tensor | undefined;
    for await (const h of net.cells.stream().run(frames)) last = h;
    expect(array(last!)).toEqual(expected);
    async function* camera() {
      for (const frame of frames) yield frame;
    }
    for await (const h of net.cells.stream().run(camera())) last = h;
    expect(array(last!)).toEqual(expected);
  });

  it('run refuses anything but an iterable', async () => {
    const run = net.cells.stream().run(3 as never);
    await expect(run.next()).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  it('run passes more frames than the queue may hold', async () => {
    let steps = 0;
    const expected = net.cells.stream();
    const many = Array.from({ length: 50 }, (_, k) => frames[k % 6]!);
    for await (const h of net.cells.stream().run(many)) {
      expect(array(h)).toEqual(array(expected.step(many[steps++]!)));
    }
    expect(steps).toBe(50);
  });

  it('run works in a pipeline', async () => {
    const stream = net.cells.stream();
    const seen: Tensor[] = [];
    const sink = new Writable({
      objectMode: true,
      write(h: Tensor, _encoding, done) {
        seen.push(h);
        done();
      },
    });
    const source = Readable.from(frames);
    await pipeline(source, (each: AsyncIterable<Tensor>) => stream.run(each), sink);
    expect(seen).toHaveLength(6);
    expect(array(seen[5]!)).toEqual(array(fed(5).step(frames[5]!)));
  });

  it('forecast feeds each prediction back and does not advance the stream', () => {
    const stream = fed(6);
    const predictions = [...stream.forecast(4, predict)];
    expect(predictions).toHaveLength(4);

    const rest = fed(5);
    let frame = predict(rest.step(frames[5]!));
    for (const prediction of predictions) {
      expect(array(prediction)).toEqual(array(frame));
      frame = predict(rest.step(frame));
    }
    expect(array(predict(stream.step(frames[0]!)))).toEqual(
      array(predict(fed(6).step(frames[0]!))),
    );
  });

  it('forecast survives a consumer that disposes, stops early, or moves the stream', () => {
    const stream = fed(3);
    const expected = [...stream.forecast(3, predict)].map(array);
    const lazy = stream.forecast(3, predict);
    stream.step(frames[0]!);
    const seen: unknown[] = [];
    for (const prediction of lazy) {
      seen.push(array(prediction));
      prediction.dispose();
    }
    expect(seen).toEqual(expected);
    for (const prediction of fed(3).forecast(3, predict)) {
      expect(array(prediction)).toEqual(expected[0]);
      break;
    }
    // A head may return h itself.
    const echo = new ConvLSTM({ inputDim: 1, hiddenDim: 1, kernelSize: 1 }).to(device).stream();
    echo.step(frames[0]!);
    expect([...echo.forecast(2, (h) => h)].map((h) => array(h))).toHaveLength(2);
  });

  it('forecast frees its tensors, however it ends', () => {
    const stream = fed(3);
    const handed: Tensor[] = [];
    const note = (h: Tensor) => {
      handed.push(h);
      return predict(h);
    };
    for (const prediction of stream.forecast(3, note)) {
      prediction.dispose();
      break;
    }
    const fail = (h: Tensor): Tensor => {
      handed.push(h);
      throw new RangeError('no head');
    };
    expect(() => [...stream.forecast(3, fail)]).toThrow(RangeError);
    expect(handed.map(({ disposed }) => disposed)).toEqual([true, true]);
  });

  it('forecast needs a frame and a count', () => {
    expectError(() => net.cells.stream().forecast(1, predict), 'ERR_OPTION', 'no frame');
    expectError(() => fed(1).forecast(0, predict), 'ERR_OPTION', 'count');
  });

  it('clones are independent', () => {
    const stream = fed(3);
    const clone = stream.clone();
    stream.step(frames[0]!);
    stream.dispose();
    expect(array(clone.step(frames[3]!))).toEqual(array(fed(3).step(frames[3]!)));
    expect(array(net.cells.stream().clone().step(frames[0]!))).toEqual(
      array(fed(0).step(frames[0]!)),
    );
  });

  it('reset starts from zeros, dispose ends', async () => {
    const stream = fed(3);
    stream.reset();
    expect(array(stream.step(frames[0]!))).toEqual(array(fed(0).step(frames[0]!)));
    stream.dispose();
    stream.dispose();
    expectError(() => stream.step(frames[0]!), 'ERR_DISPOSED');
    expectError(() => stream.clone(), 'ERR_DISPOSED');
    await expect(stream.save()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('saves and loads', async () => {
    const bytes = await fed(4).save();
    const loaded = net.cells.stream().load(bytes);
    expect(array(loaded.step(frames[4]!))).toEqual(array(fed(4).step(frames[4]!)));
    const fresh = await net.cells.stream().save();
    expect(array(loaded.load(fresh).step(frames[0]!))).toEqual(array(fed(0).step(frames[0]!)));
  });

  it('save writes the state at the call', async () => {
    const stream = fed(4);
    const saving = stream.save();
    stream.step(frames[0]!);
    stream.dispose();
    expect(await saving).toEqual(await fed(4).save());
  });

  it('refuses bytes that save did not write, and keeps its state', async () => {
    const stream = fed(2);
    const before = await stream.save();
    const broken = (change: (bytes: Uint8Array) => Uint8Array, part: string) =>
      expectError(() => stream.load(change(before.slice())), 'ERR_FORMAT', part);
    const poke = (at: number, value: number) => (bytes: Uint8Array) => {
      bytes[at] = value;
      return bytes;
    };
    broken(() => new Uint8Array(0), 'at least 16 bytes, got 0');
    broken((bytes) => bytes.subarray(0, 15), '15');
    broken((bytes) => bytes.subarray(0, -1), 'checksum');
    broken(poke(0, 0), 'written by save');
    broken(poke(8, 3), 'expected version 1 or 2, got 3');
    broken(poke(before.length - 1, 0x7f), 'checksum');
    const signed = async (dict: Record<string, Tensor>) => {
      const file = await safetensors.save(null, dict);
      const bytes = new Uint8Array([...before.subarray(0, 16), ...file]);
      new DataView(bytes.buffer).setUint32(12, crc32(file), true);
      return bytes;
    };
    const layer = await signed({ '1.h': Tensor.zeros([1]) });
    broken(() => layer, '1.h');
    const unnamed = await signed({ h: Tensor.zeros([1]) });
    broken(() => unnamed, 'h');
    expectError(() => stream.load('x' as unknown as Uint8Array), 'ERR_OPTION');
    for (let at = 0; at < before.length; at++) {
      expectError(() => stream.load(poke(at, before[at]! ^ 1)(before.slice())), 'ERR_FORMAT');
    }
    expect(await stream.save()).toEqual(before);
  });

  it('refuses the state of other layers', async () => {
    const other = new ConvLSTM({ inputDim: 1, hiddenDim: [3, 3], kernelSize: 3 }).stream();
    expectError(() => other.load(new Uint8Array(0)), 'ERR_FORMAT');
    const bytes = await fed(1).save();
    expectError(
      () => other.load(bytes),
      'ERR_SHAPE',
      'layer 1 c [1, 3, 5, 4], h [1, 3, 5, 4], got c [1, 2, 5, 4], h [1, 2, 5, 4]',
    );
    const deeper = new ConvLSTM({ inputDim: 1, hiddenDim: [3, 2, 2], kernelSize: 3 }).stream();
    expectError(() => deeper.load(bytes), 'ERR_SHAPE', 'expected layers: 3, got 2');
  });
});
