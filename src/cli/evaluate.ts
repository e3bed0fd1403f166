import type { Command } from 'commander';
import { DataLoader } from '../data/data-loader.js';
import type { NdArray } from '../io/nd-array.js';
import { type LeadTimeScores, persistence, scoreByLeadTime } from '../metrics/lead-time.js';
import { loadModel } from '../models/files.js';
import type { Forecaster } from '../models/forecaster.js';
import type { Tensor } from '../tensor/tensor.js';
import { formatNumber } from '../training/chart.js';
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

/** Scores of the model and of persistence: the last frame repeated. */
interface Scores {
  sequences: number;
  model: LeadTimeScores;
  persistence: LeadTimeScores;
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
      '\nErrors are sums over a frame with values 0..1 (divided by the scale of the model); persistence repeats the last frame.',
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
  const test = (await openData(config, options.data, 'test'))!;
  const { loss } = config;
  await withOptionsOf(weights, checkFrames({ model: model.description, loss }, test));
  const count = Math.min(options.samples ?? test.length, test.length);
  const dataset = { length: count, get: (index: number) => test.get(index, 0) };
  const scores = await score(
    model,
    new DataLoader(dataset, { batchSize: config.batchSize }),
    count,
  );
  if (options.json) console.log(JSON.stringify(scores));
  else print(scores);
}

async function score(
  model: Forecaster,
  loader: DataLoader<{ input: NdArray; target: NdArray }>,
  count: number,
): Promise<Scores> {
  const scores: { sum: LeadTimeScores | null }[] = [{ sum: null }, { sum: null }];
  for await (const { input, target } of loader) {
    const steps = target.shape[1]!;
    using output = model.forward(input, steps);
    const [seen, truth, forecast] = await Promise.all(
      [input, target, output].map((tensor) => toArray(model, tensor)),
    );
    input.dispose();
    target.dispose();
    const share = truth!.shape[0]! / count;
    for (const [n, guess] of [forecast!, persistence(seen!, steps)].entries()) {
      scores[n]!.sum = addScores(scores[n]!.sum, scoreByLeadTime(guess, truth!), share);
    }
  }
  return { sequences: count, model: scores[0]!.sum!, persistence: scores[1]!.sum! };
}

/** Frames with values 0..1. */
async function toArray(model: Forecaster, frames: Tensor): Promise<NdArray> {
  using normalized = model.normalize(frames);
  return { data: await normalized.data(), shape: [...frames.shape] };
}

/** Adds `scores`, weighted by `share`, to a mean. */
function addScores(
  mean: LeadTimeScores | null,
  scores: LeadTimeScores,
  share: number,
): LeadTimeScores {
  const entries = Object.entries(scores).map(([name, values]: [string, number[]]) => {
    const before = mean?.[name as keyof LeadTimeScores];
    return [name, values.map((value, lead) => (before?.[lead] ?? 0) + share * value)];
  });
  return Object.fromEntries(entries) as LeadTimeScores;
}

const average = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function print({ sequences, model, persistence: baseline }: Scores): void {
  const row = (...cells: string[]) =>
    console.log(cells.map((cell, n) => (n === 0 ? cell.padEnd(6) : cell.padStart(12))).join(''));
  console.log(`${sequences} sequences`);
  row('', 'MSE', 'persistence', 'MAE', 'SSIM', 'persistence', 'cross-entr.');
  const steps = model.squaredError.length;
  for (let lead = 0; lead <= steps; lead++) {
    const pick = (values: readonly number[]) => (lead < steps ? values[lead]! : average(values));
    row(
      lead < steps ? `+${lead + 1}` : 'mean',
      pick(model.squaredError).toFixed(1),
      pick(baseline.squaredError).toFixed(1),
      pick(model.absoluteError).toFixed(1),
      pick(model.ssim).toFixed(3),
      pick(baseline.ssim).toFixed(3),
      pick(model.crossEntropy).toFixed(1),
    );
  }
  const sum = model.crossEntropy.reduce((total, value) => total + value, 0);
  console.log(`cross-entropy of a sequence ${formatNumber(sum)}`);
}
