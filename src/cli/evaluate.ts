import type { Command } from 'commander';
import { DataLoader } from '../data/data-loader.js';
import { fillMissing, markMissing } from '../data/missing.js';
import { cropFrames, padFrames } from '../data/padding.js';
import type { NdArray } from '../io/nd-array.js';
import { type LeadTimeScores, persistence, scoreByLeadTime } from '../metrics/lead-time.js';
import { loadModel } from '../models/files.js';
import type { Forecaster } from '../models/forecaster.js';
import { Tensor } from '../tensor/tensor.js';
import { formatNumber } from '../training/chart.js';
import type { TrainConfig } from '../training/config.js';
import { checkFrames, openData } from '../training/forecast-run.js';
import { RunFolder, readConfig, withOptionsOf } from '../training/run-folder.js';
import { addComputing, parseCount } from './arguments.js';

interface EvaluateOptions {
  data: string;
  run?: string;
  config?: string;
  weights?: string;
  samples?: number;
  json?: true;
}

/** Scores by lead time. */
interface AllScores extends LeadTimeScores {
  /** Mean absolute error of a pixel in frame units. */
  meanAbsoluteError: number[];
}

/** Scores of the model and of persistence: the last frame repeated. */
interface Scores {
  sequences: number;
  model: AllScores;
  persistence: AllScores;
}

export function addEvaluate(program: Command): void {
  const command = program
    .command('evaluate')
    .description('score a trained model by lead time on test data')
    .requiredOption('--data <folder>', 'data as in training; the test frames or digits are used')
    .option('--run <folder>', 'run of `convlstm train`, for its configuration and model')
    .option('--config <file>', 'JSON configuration of the data; default: that of --run')
    .option('--weights <file>', 'safetensors file of the model; default: that of --run')
    .option('--samples <n>', 'number of sequences; default: all', parseCount)
    .option('--json', 'JSON output')
    .addHelpText(
      'after',
      '\nWhole frames are scored, as `convlstm forecast` draws them, whatever the crop of the training; missing pixels do not count.' +
        '\nMSE, cross-entropy: sums over a frame in the units of the model, 0..1. MAE: mean of a pixel in the units of the frames.' +
        '\nPersistence repeats the last frame.',
    )
    .action(run);
  addComputing(command, 'highest');
}

async function run(options: EvaluateOptions, command: Command): Promise<void> {
  const folder = options.run === undefined ? null : new RunFolder(options.run);
  const [file, weights] = [options.config ?? folder?.config, options.weights ?? folder?.model];
  if (file === undefined || weights === undefined) {
    command.error('--run is needed, or --config and --weights');
  }
  const config = await readConfig(file);
  const model = await loadModel(weights);
  const test = (await openData(wholeFrames(config), options.data, 'test'))!;
  const { loss } = config;
  await withOptionsOf(weights, checkFrames({ model: model.description, loss }, test));
  const count = Math.min(options.samples ?? test.length, test.length);
  const dataset = { length: count, get: (index: number) => test.get(index, 0) };
  const scores = {
    sequences: count,
    ...(await score(
      model,
      new DataLoader(dataset, { batchSize: isCropped(config) ? 1 : config.batchSize }),
    )),
  };
  if (options.json) console.log(JSON.stringify(scores));
  else print(scores);
}

/** Whether training saw crops: whole frames are larger, and are scored one sequence at a time. */
function isCropped({ data }: TrainConfig): boolean {
  return data.kind === 'frames' && data.crop !== null;
}

function wholeFrames(config: TrainConfig): TrainConfig {
  const { data } = config;
  return data.kind === 'frames' ? { ...config, data: { ...data, crop: null } } : config;
}

async function score(
  model: Forecaster,
  loader: DataLoader<{ input: NdArray; target: NdArray }>,
): Promise<Omit<Scores, 'sequences'>> {
  const sums = { model: new ScoreMean(), persistence: new ScoreMean() };
  for await (const { input, target } of loader) {
    const [seen, truth] = await Promise.all([arrayOf(input), arrayOf(target)]);
    input.dispose();
    target.dispose();
    const { missing } = model.description;
    const known = fillMissing(seen, missing);
    const marked = markMissing(truth, missing);
    const guesses = {
      model: await forecastOf(model, known, truth.shape[1]!),
      persistence: persistence(known, truth.shape[1]!),
    };
    const normalized = await normalize(model, marked);
    for (const [name, guess] of Object.entries(guesses)) {
      const scores = scoreByLeadTime(await normalize(model, guess), normalized);
      const meanAbsoluteError = errorsByLeadTime(guess, marked);
      sums[name as keyof typeof sums].add({ ...scores, meanAbsoluteError }, truth.shape[0]!);
    }
  }
  return { model: sums.model.value(), persistence: sums.persistence.value() };
}

async function arrayOf(tensor: Tensor): Promise<NdArray> {
  return { data: await tensor.data(), shape: [...tensor.shape] };
}

/** Forecasts [B, steps, C, H, W] in frame units, of frames padded as `convlstm forecast` pads them. */
async function forecastOf(model: Forecaster, frames: NdArray, steps: number): Promise<NdArray> {
  const { device } = model.head.weight;
  using x = Tensor.from(padFrames(frames, model.description.patchSize), undefined, { device });
  using forecast = model.forward(x, steps);
  return cropFrames(await arrayOf(forecast), frames.shape.slice(-2) as [number, number]);
}

/** Frames in the model's units; NaN stays NaN. */
async function normalize(model: Forecaster, frames: NdArray): Promise<NdArray> {
  using raw = Tensor.from(fillMissing(frames));
  using normalized = model.normalize(raw);
  const data = (await normalized.data()).map((value, i) =>
    Number.isNaN(frames.data[i]) ? NaN : value,
  );
  return { data, shape: frames.shape };
}

/** Mean absolute error of a pixel by lead time; NaN for frames without a truth. */
function errorsByLeadTime(forecast: NdArray, truth: NdArray): number[] {
  const [batch, steps] = truth.shape as [number, number];
  const size = truth.data.length / (batch * steps);
  const sums = new Array<number>(steps).fill(0);
  const counts = new Array<number>(steps).fill(0);
  truth.data.forEach((value, i) => {
    if (Number.isNaN(value)) return;
    const lead = Math.floor(i / size) % steps;
    sums[lead]! += Math.abs(forecast.data[i]! - value);
    counts[lead]!++;
  });
  return sums.map((sum, lead) => sum / counts[lead]!);
}

/** Mean of scores over batches; NaN, of frames without a truth, does not count. */
class ScoreMean {
  readonly #sums = new Map<string, { sum: number; weight: number }[]>();

  add(scores: AllScores, weight: number): void {
    for (const [name, values] of Object.entries(scores) as [string, number[]][]) {
      const before = this.#sums.get(name) ?? values.map(() => ({ sum: 0, weight: 0 }));
      this.#sums.set(name, before);
      values.forEach((value, lead) => {
        if (Number.isNaN(value)) return;
        before[lead]!.sum += weight * value;
        before[lead]!.weight += weight;
      });
    }
  }

  value(): AllScores {
    const means = Array.from(this.#sums, ([name, entries]) => [
      name,
      entries.map(({ sum, weight }) => sum / weight),
    ]);
    return Object.fromEntries(means) as AllScores;
  }
}

const average = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const formatMean = (value: number) => formatNumber(Number(value.toPrecision(3)));

function print({ sequences, model, persistence: baseline }: Scores): void {
  const row = (...cells: string[]) =>
    console.log(cells.map((cell, n) => (n === 0 ? cell.padEnd(6) : cell.padStart(12))).join(''));
  console.log(`${sequences} sequences`);
  row('', 'MSE', 'persistence', 'MAE', 'persistence', 'SSIM', 'persistence', 'cross-entr.');
  const steps = model.squaredError.length;
  for (let lead = 0; lead <= steps; lead++) {
    const pick = (values: readonly number[]) => (lead < steps ? values[lead]! : average(values));
    row(
      lead < steps ? `+${lead + 1}` : 'mean',
      pick(model.squaredError).toFixed(1),
      pick(baseline.squaredError).toFixed(1),
      formatMean(pick(model.meanAbsoluteError)),
      formatMean(pick(baseline.meanAbsoluteError)),
      pick(model.ssim).toFixed(3),
      pick(baseline.ssim).toFixed(3),
      pick(model.crossEntropy).toFixed(1),
    );
  }
  const sum = model.crossEntropy.reduce((total, value) => total + value, 0);
  console.log(`cross-entropy of a sequence ${formatNumber(sum)}`);
}
