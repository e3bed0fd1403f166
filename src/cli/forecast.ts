import { mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import cliProgress from 'cli-progress';
import { type Command, InvalidArgumentError } from 'commander';
import { ConvLSTMError } from '../errors.js';
import { checkFolderOf, ioError } from '../io/files.js';
import { readFrames } from '../io/frames.js';
import * as gif from '../io/gif.js';
import type { NdArray } from '../io/nd-array.js';
import * as npy from '../io/npy.js';
import * as png from '../io/png.js';
import { loadModel } from '../models/files.js';
import type { Forecaster } from '../models/forecaster.js';
import { cropFrame, padFrame } from './padding.js';

interface ForecastOptions {
  weights: string;
  input: string;
  steps: number;
  out: string;
  model?: string;
}

function parseSteps(text: string): number {
  const steps = Number(text);
  if (!Number.isSafeInteger(steps) || steps < 1) {
    throw new InvalidArgumentError('Expected a positive integer.');
  }
  return steps;
}

/** By the name: an animation, an array, the array on standard output, or a folder of images. */
function parseOut(out: string): string {
  if (out === '' || (out !== '-' && !['', '.gif', '.npy'].includes(extname(out).toLowerCase()))) {
    throw new InvalidArgumentError('Expected a name in .gif or .npy, a folder, or -.');
  }
  return out;
}

export function addForecast(program: Command): void {
  program
    .command('forecast')
    .description('continue a sequence of frames')
    .requiredOption('--weights <file>', 'safetensors file of the model')
    .requiredOption(
      '--input <path>',
      'folder of PNG, PGM, .npy or HDF5 radar frames in natural order, one such file, or - for standard input',
    )
    .requiredOption('--steps <n>', 'frames to forecast', parseSteps)
    .requiredOption(
      '--out <path>',
      'NAME.gif, NAME.npy, a folder for PNG frames, or - for .npy on standard output',
      parseOut,
    )
    .option('--model <file>', 'JSON description of the model, where the weights have none')
    .addHelpText(
      'after',
      '\nImages are 0..1, radar mm/h, .npy as it is; images of the forecast show 0 to the scale of the model.' +
        '\nFrames that the model cannot cut to whole patches get zeros at the bottom and the right.',
    )
    .action(run);
}

async function run({ weights, input, steps, out, model }: ForecastOptions): Promise<void> {
  if (extname(out) !== '') await checkFolderOf(out);
  const forecaster = await loadModel(weights, model === undefined ? {} : { model });
  const bar = new cliProgress.SingleBar({
    format: '{frames} frames in, forecasting [{bar}] {value}/{total}',
    stream: process.stderr,
  });
  if (process.stderr.isTTY) bar.start(steps, 0, { frames: 0 });
  const forecasts: NdArray[] = [];
  try {
    const source = input === '-' ? await buffer(process.stdin) : input;
    let size: readonly [number, number] = [0, 0];
    let frames = 0;
    const padded = async function* () {
      for await (const frame of readFrames(source)) {
        checkChannels(frame, forecaster);
        size = [frame.shape[1]!, frame.shape[2]!];
        yield padFrame(frame, forecaster.description.patchSize);
        bar.update({ frames: ++frames });
      }
    };
    for await (const forecast of forecaster.forecast(padded(), steps)) {
      const shape = forecast.shape.slice(1);
      forecasts.push(cropFrame({ data: await forecast.data(), shape }, size));
      forecast.dispose();
      bar.increment();
    }
  } finally {
    bar.stop();
  }
  await write(forecasts, out, forecaster.description.scale);
}

function checkChannels({ shape }: NdArray, { description }: Forecaster): void {
  if (shape[0] !== description.channels) {
    const message = `input: expected [${description.channels}, H, W], got [${shape.join(', ')}]`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
}

async function write(forecasts: readonly NdArray[], out: string, scale: number): Promise<void> {
  const extension = extname(out).toLowerCase();
  if (out === '-' || extension === '.npy') {
    const data = new Float32Array(forecasts.length * forecasts[0]!.data.length);
    forecasts.forEach((forecast, i) => {
      data.set(forecast.data, i * forecast.data.length);
    });
    const array = { data, shape: [forecasts.length, ...forecasts[0]!.shape] };
    if (out === '-') await pipeline([npy.encode(array)], process.stdout);
    else await npy.save(out, array);
    return;
  }
  const images = forecasts.map(({ data, shape }) => ({
    data: data.map((value) => value / scale),
    shape,
  }));
  if (extension === '.gif') {
    await gif.save(out, images);
    return;
  }
  try {
    await mkdir(out, { recursive: true });
  } catch (error) {
    throw ioError('write', out, error);
  }
  const digits = String(images.length).length;
  for (const [i, image] of images.entries()) {
    await png.save(join(out, `forecast-${String(i + 1).padStart(digits, '0')}.png`), image);
  }
}
