import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DataLoader } from '../data/data-loader.js';
import type { Dataset, SequenceSample } from '../data/dataset.js';
import { ConvLSTMError } from '../errors.js';
import type { Forecaster } from '../models/forecaster.js';
import { formatNumber } from '../training/chart.js';
import type { TrainConfig } from '../training/config.js';
import {
  buildModel,
  checkFrames,
  checkUnvalidated,
  openData,
  stepsOfRun,
  trainingLoss,
  validationLoss,
} from '../training/forecast-run.js';
import { buildOptimizer } from '../training/optimizers.js';
import { openDisplay } from '../training/progress.js';
import { firstSamples, RunFolder, readConfig, withOptionsOf } from '../training/run-folder.js';
import { reportOfRun } from '../training/run-report.js';
import { describeStart } from '../training/run-start.js';
import { buildSchedule } from '../training/schedules.js';
import { Trainer } from '../training/trainer.js';
import { addComputing, type ComputingOptions } from './arguments.js';

interface TrainOptions extends ComputingOptions {
  config?: string;
  data: string;
  out?: string;
  resume?: string;
  json?: true;
}

/** Signals within this time are one stop: `timeout`, for one, forwards a signal that the process got too. */
const kSameStopMs = 1000;

const kSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Number of sequences in a report. */
const kShown = 3;

export function addTrain(program: Command): void {
  const command = program
    .command('train')
    .description('train a model on frames')
    .option('--config <file>', 'JSON configuration; default with --resume: that of the run')
    .requiredOption(
      '--data <folder>',
      "frames or MNIST's files, as `data` of the configuration says",
    )
    .option('--out <folder>', 'folder of the run; default: that of --resume')
    .option('--resume <folder>', 'continue a run from its last checkpoint')
    .option('--json', 'print reports as JSON lines on standard output')
    .addHelpText(
      'after',
      '\nFiles of a run: checkpoint.safetensors and its loss curve, checkpoint.svg; model.safetensors, the model' +
        '\nwith the best validation, for `convlstm forecast`; config.json, log.jsonl and report.html.' +
        '\nCtrl-C, SIGTERM or a closed terminal ends the run with a checkpoint after the step in progress; again' +
        '\nafter a second, at once. A checkpoint is written every `checkpointEvery` steps, at each validation and' +
        '\nafter two minutes without one.' +
        '\nschemas/train.schema.json of this package documents the configuration.',
    )
    .action(run);
  addComputing(command, 'that of the configuration');
}

async function run(options: TrainOptions, command: Command): Promise<void> {
  const { resume, data } = options;
  const [config, out] = [options.config, options.out ?? resume];
  if (out === undefined) command.error('--out is needed without --resume');
  const from = resume === undefined ? null : new RunFolder(resume);
  if (config === undefined && from === null) {
    command.error('--config is needed without --resume');
  }
  const file = config ?? from!.config;
  const { precision } = options;
  const settings = { ...(await readConfig(file)), ...(precision && { precision }) };
  const folder = new RunFolder(out);
  const elsewhere = from === null || resolve(from.path) !== resolve(folder.path);
  if (elsewhere && (await folder.holdsRun())) {
    const message = `${out}: holds a run, which --resume ${out} continues`;
    throw new ConvLSTMError('ERR_OPTION', message);
  }
  const interrupt = new AbortController();
  const preparing = prepare(settings, data, folder, interrupt.signal);
  const { model, trainer, shown, windows } = await withOptionsOf(file, preparing);
  if (from !== null) await trainer.resume(from.checkpoint);
  await folder.open(settings);
  await folder.restoreLog(trainer);
  if (from !== null && elsewhere && trainer.best !== null) await folder.copyModel(from);
  // A run killed between the two writes has the checkpoint of its best step but not the model.
  if (trainer.best?.step === trainer.step) {
    await folder.saveModel(model, trainer.step);
  }

  const examples = await firstSamples(shown, kShown);
  let stopped: number | null = null;
  const stop = () => {
    stopped ??= performance.now();
    interrupt.abort();
  };
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopped === null || performance.now() - stopped < kSameStopMs) return stop();
    process.off(signal, onSignal).kill(process.pid, signal);
  };
  for (const signal of kSignals) process.on(signal, onSignal);
  // A reader that closes the pipe stops the run like Ctrl-C: the checkpoint is written.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', stop);
  if (!options.json) {
    process.stderr.write(`${describeStart(settings, model, windows, trainer, examples[0]!)}\n`);
  }
  const display = openDisplay({ progress: options.json ? 'json' : 'auto' }, trainer);
  try {
    for await (const report of trainer) {
      display.show(report);
      await folder.addToLog(report);
      if (report.best) await folder.saveModel(model, report.step);
      if (report.validation !== null || trainer.ended !== null) {
        await folder.saveReport(await reportOfRun(trainer, model, report, examples, settings));
      }
    }
    if (trainer.best === null) await folder.saveModel(model, trainer.step);
  } catch (error) {
    if (trainer.report) {
      const { message } = error instanceof Error ? error : new Error(String(error));
      const parts = [trainer, model, trainer.report, examples, settings, message] as const;
      // The user needs the error of the run, not that of its report.
      await reportOfRun(...parts).then(
        (html) => folder.saveReport(html),
        () => {},
      );
    }
    throw error;
  } finally {
    display.end();
    for (const signal of kSignals) process.off(signal, onSignal);
  }
  if (trainer.ended === 'aborted') {
    if (trainer.step === 0) throw new Error('stopped before the first step');
    const steps = `${trainer.step} of ${trainer.totalSteps}`;
    throw new Error(`stopped after step ${steps}; --resume ${out} continues`);
  }
  if (!options.json) {
    const { best, step } = trainer;
    const found = best ? `, best validation ${formatNumber(best.loss)} at step ${best.step}` : '';
    console.log(`${step} steps${found}; the model is ${folder.model}`);
  }
}

/** Makes the parts of a run from its configuration. */
async function prepare(
  config: TrainConfig,
  place: string,
  folder: RunFolder,
  signal: AbortSignal,
): Promise<{
  model: Forecaster;
  trainer: Trainer<SequenceSample>;
  /** Data whose forecasts the report shows. */
  shown: Dataset<SequenceSample>;
  /** Number of training sequences. */
  windows: number;
}> {
  const training = (await openData(config, place, 'train'))!;
  const validation = await openData(config, place, 'validation');
  await checkFrames(config, training);
  if (validation) await checkFrames(config, validation);
  else checkUnvalidated(config);
  const totalSteps = stepsOfRun(config, training.length);
  const model = buildModel(config);
  const optimizer = buildOptimizer(config.optimizer, model.parameters());
  const { batchSize, workers, seed, epochs, accumulate, clipNorm } = config;
  const trainer = new Trainer({
    model,
    optimizer,
    data: new DataLoader(training, { batchSize, workers, seed, shuffle: true, dropLast: true }),
    loss: trainingLoss(config, model, totalSteps),
    epochs,
    schedule: buildSchedule(config.schedule, optimizer, totalSteps),
    accumulate,
    clipNorm: clipNorm === 0 ? null : clipNorm,
    validation: validation && {
      data: new DataLoader(validation, { batchSize, workers }),
      loss: validationLoss(config, model),
      every: config.validateEvery,
      patience: config.patience,
    },
    checkpoint: { file: folder.checkpoint, every: config.checkpointEvery },
    reportEvery: config.reportEvery,
    signal,
  });
  return { model, trainer, shown: validation ?? training, windows: training.length };
}
