import { mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import cliProgress from 'cli-progress';
import { type Command, InvalidArgumentError } from 'commander';
import { firstMissing, markMissing } from '../data/missing.js';
import { ConvLSTMError } from '../errors.js';
import { checkFolderOf, ioError } from '../io/files.js';
import { kFormatNames } from '../io/frame-formats.js';
import { readFrames } from '../io/frames.js';
import * as gif from '../io/gif.js';
import type { NdArray } from '../io/nd-array.js';
import * as npy from '../io/npy.js';
import * as png from '../io/png.js';
import { loadModel } from '../models/files.js';
import type { Forecaster } from '../models/forecaster.js';
import { addComputing, parseCount, parseNumber } from './arguments.js';

interface ForecastOptions {
  weights: string;
  input: string;
  steps: number;
  out: string;
  model?: string;
  missing?: number;
  last?: number;
  wait?: number;
  timePattern?: string;
  layout?: string;
}

interface Output {
  /** Value of --out for this format, in the help. */
  usage: string;
  /** Whether frames are normalized to 0..1 first. */
  images: boolean;
  /** @param forecasts [C, H, W] each */
  write(out: string, forecasts: readonly NdArray[]): Promise<void>;
}

/** Output formats by the extension of --out. */
const kOutputs = new Map<string, Output>([
  ['.gif', { usage: 'NAME.gif', images: true, write: gif.save }],
  [
    '.npy',
    {
      usage: 'NAME.npy',
      images: false,
      write: (out, forecasts) => npy.save(out, toArray(forecasts)),
    },
  ],
  ['', { usage: 'a folder for PNG frames', images: true, write: writeFolder }],
  [
    '-',
    {
      usage: '- for .npy on standard output',
      images: false,
      write: (_, forecasts) => pipeline([npy.encode(toArray(forecasts))], process.stdout),
    },
  ],
]);

const kUsages = Array.from(kOutputs.values(), ({ usage }) => usage);
const kUsage = `${kUsages.slice(0, -1).join(', ')} or ${kUsages.at(-1)}`;

function outputOf(out: string): Output | undefined {
  return kOutputs.get(out === '-' ? '-' : extname(out).toLowerCase());
}

function parseOut(out: string): string {
  if (out === '' || !outputOf(out)) throw new InvalidArgumentError(`Expected ${kUsage}.`);
  return out;
}

export function addForecast(program: Command): void {
  const command = program
    .command('forecast')
    .description('continue a sequence of frames')
    .requiredOption('--weights <file>', 'safetensors file of the model')
    .requiredOption(
      '--input <path>',
      `folder of ${kFormatNames} frames in order of time, one such file, or - for standard input`,
    )
    .requiredOption('--steps <n>', 'frames to forecast', parseCount)
    .requiredOption('--out <path>', kUsage, parseOut)
    .option(
      '--missing <value>',
      'frame value that means missing; default: that of the model',
      parseNumber,
    )
    .option('--last <n>', 'newest frames to continue from; default: all', parseCount)
    .option('--wait <seconds>', 'time that the newest file may still be written', parseNumber)
    .option('--time-pattern <pattern>', 'times in names, such as radar_{yyyy}{MM}{dd}{HH}{mm}')
    .option('--layout <axes>', 'axes of .npy arrays, such as THWC')
    .option('--model <file>', 'JSON description of the model, for weights without one')
    .addHelpText(
      'after',
      '\nInput values: images 0..1, radar mm/h, .npy unchanged. Output images span 0 to the scale of the model.' +
        '\nMissing values (NaN, --missing) are 0 for the model; pixels missing in every frame stay NaN in .npy, blue in images.' +
        '\nFrames whose sides are no multiples of the patch size are padded with zeros at the bottom and right.',
    )
    .action(run);
  addComputing(command, 'highest');
}

async function run(options: ForecastOptions): Promise<void> {
  const { weights, input, steps, out, model, missing, last, wait, timePattern, layout } = options;
  const output = outputOf(out)!;
  if (extname(out) !== '') await checkFolderOf(out);
  const forecaster = await loadModel(weights, model === undefined ? {} : { model });
  const bar = new cliProgress.SingleBar({
    format: '{frames} frames in, forecasting [{bar}] {value}/{total}',
    stream: process.stderr,
  });
  if (process.stderr.isTTY) bar.start(steps, 0, { frames: 0 });
  const forecasts: NdArray[] = [];
  const gaps: number[] = [];
  try {
    const source = input === '-' ? await buffer(process.stdin) : input;
    let frames = 0;
    const counted = async function* () {
      let first: number | undefined;
      for await (const frame of readFrames(source, { last, wait, timePattern, layout })) {
        checkChannels(frame, forecaster);
        first ??= frame.sequence;
        if (frame.sequence !== first) {
          const message = `input: expected one sequence, got the second from ${frame.name} on`;
          throw new ConvLSTMError('ERR_OPTION', `${message}; --last takes the newest frames`);
        }
        const marked = markMissing(frame, missing ?? forecaster.description.missing);
        if (firstMissing(marked.data, null) >= 0) gaps.push(frames + 1);
        yield marked;
        bar.update({ frames: ++frames });
      }
    };
    for await (const forecast of forecaster.forecast(counted(), steps)) {
      using frame = output.images ? forecaster.normalize(forecast) : forecast.clone();
      forecast.dispose();
      const shape = frame.shape.slice(1);
      forecasts.push({ data: await frame.data(), shape });
      bar.increment();
    }
  } finally {
    bar.stop();
  }
  if (gaps.length > 0) {
    const which =
      gaps.length === 1 ? `frame ${gaps[0]} has` : `${gaps.length} frames, first ${gaps[0]}, have`;
    process.stderr.write(
      `convlstm: warning: ${which} missing values (NaN or not finite, or the value of missing): 0 for the model\n`,
    );
  }
  await output.write(out, forecasts);
}

function checkChannels({ shape }: NdArray, { description }: Forecaster): void {
  if (shape[0] !== description.channels) {
    const message = `input: expected [${description.channels}, H, W], got [${shape.join(', ')}]`;
    throw new ConvLSTMError('ERR_SHAPE', message);
  }
}

function toArray(forecasts: readonly NdArray[]): NdArray {
  const data = new Float32Array(forecasts.length * forecasts[0]!.data.length);
  forecasts.forEach((forecast, i) => {
    data.set(forecast.data, i * forecast.data.length);
  });
  return { data, shape: [forecasts.length, ...forecasts[0]!.shape] };
}

async function writeFolder(folder: string, images: readonly NdArray[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw ioError('write', folder, error);
  }
  const digits = String(images.length).length;
  for (const [i, image] of images.entries()) {
    await png.save(join(folder, `forecast-${String(i + 1).padStart(digits, '0')}.png`), image);
  }
}
