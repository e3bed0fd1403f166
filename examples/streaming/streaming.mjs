// Frames from an async iterable, one at a time. The state stays on the device between frames and memory
// does not grow with the length of the stream.
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import { Conv2d, ConvLSTM, manualSeed } from 'convlstm';

const kSize = 24;

/** A camera that films a moving spot. A frame is any { data, shape }. */
async function* camera(count) {
  for (let t = 0; t < count; t++) {
    await setTimeout(5);
    const data = new Float32Array(kSize * kSize);
    data[(t % kSize) * kSize + (t % kSize)] = 1;
    yield { data, shape: [1, 1, kSize, kSize] };
  }
}

manualSeed(3);
const cells = new ConvLSTM({ inputDim: 1, hiddenDim: [8, 8], kernelSize: 3, numLayers: 2 });
const head = new Conv2d({ inChannels: 8, outChannels: 1, kernelSize: 1 });
const stream = cells.stream();

// 1. One step per frame.
let seen = 0;
for await (const h of stream.run(camera(10))) {
  seen++;
  h.dispose();
}
console.log(`${seen} frames seen`);

// 2. Five more frames, each prediction fed back. The stream's own state stays unchanged.
const predictions = [];
for (const frame of stream.forecast(5, (h) => head.forward(h).sigmoid())) {
  predictions.push(await frame.mean().item());
  frame.dispose();
}
console.log(
  `${predictions.length} frames forecast, mean values ${predictions.map((p) => p.toFixed(3))}`,
);

// 3. The state as bytes, which another process can load to continue.
const saved = await stream.save();
const resumed = cells.stream().load(saved);
const next = { data: new Float32Array(kSize * kSize).fill(0.5), shape: [1, 1, kSize, kSize] };
const [here, there] = [stream.step(next), resumed.step(next)];
const difference = await here.sub(there).abs().max().item();
console.log(`resumed from ${saved.length} bytes, difference ${difference}`);

// 4. A stage of a pipeline, with back-pressure.
const energies = [];
await pipeline(
  camera(6),
  (frames) => stream.reset().run(frames),
  new Writable({
    objectMode: true,
    async write(h, _encoding, done) {
      energies.push(await h.mul(h).mean().item());
      h.dispose();
      done();
    },
  }),
);
console.log(`${energies.length} frames through the pipeline`);
stream.dispose();
resumed.dispose();
