import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DataLoader } from '../data/data-loader.js';
import type { Dataset } from '../data/dataset.js';
import type { WeightedSample } from '../data/model-sequences.js';
import { ConvLSTMError } from '../errors.js';
import type { Forecaster } from '../models/forecaster.js';
import { dependence, independenceWarning, persistenceLoss } from '../training/baseline.js';
import { formatNumber } from '../training/chart.js';
import type { TrainConfig } from '../training/config.js';
import { lookAtData, setHeadBias, spread } from '../training/data-look.js';
import {
  buildModel,
  checkFrames,
  checkUnvalidated,
  forModel,
  openData,
  stepsOfRun,
  trainingLoss,
  validationLoss,
} from '../training/forecast-run.js';
import { lossNamed } from '../training/losses.js';
import { buildOptimizer } from '../training/optimizers.js';
import { openDisplay } from '../training/progress.js';
import { firstSamples, RunFolder, readConfig, withOptionsOf } from '../training/run-folder.js';
import { reportOfRun } from '../training/run-report.js';
import { describeStart } from '../training/run-start.js';
import { buildSchedule } from '../training/schedules.js';
import { meanLoss } from '../training/train-step.js';
import { Trainer } from '../training/trainer.js';
import type { TrainReport } from '../training/trainer-options.js';
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

/** Number of sequences whose forecasts are compared. */
const kProbes = 8;

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
  const { model, trainer, shown, windows, warnings, persistence, probes } = await withOptionsOf(
    file,
    preparing,
  );
  for (const warning of warnings) warn(warning);
  if (from !== null) await trainer.resume(from.checkpoint);
  await folder.open(settings);
  await folder.restoreLog(trainer);
  if (from !== null && elsewhere && trainer.best !== null) await folder.copyModel(from);
  // A run killed between the two writes has the checkpoint of its best step but not the model.
  if (trainer.best?.step === trainer.step) {
    await folder.saveModel(model, trainer.step);
  }

  const besides = comparison(model, persistence, probes);
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
    for await (const made of trainer) {
      checkLoss(settings, made);
      const report = await besides(made);
      display.show(report);
      for (const warning of report.warnings ?? []) warn(warning);
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

function warn(text: string): void {
  process.stderr.write(`convlstm: warning: ${text}\n`);
}

/** A loss that is never below 0 for fitting data has met other data. */
function checkLoss({ loss }: TrainConfig, report: TrainReport): void {
  const { range } = lossNamed(loss);
  if (!range || !(report.loss < 0 || (report.validation ?? 0) < 0)) return;
  const message = `step ${report.step}: loss '${loss}' is below 0, so frames have values outside 0 to model.scale: set "scale" in model`;
  throw new ConvLSTMError('ERR_OPTION', message);
}

/**
 * Adds to the report of a validation what it is to be compared with. Forecasts that do not depend on the
 * input are warned of from the second validation on, or at the end: an untrained model's do not.
 */
function comparison(
  model: Forecaster,
  persistence: number | null,
  probes: readonly WeightedSample[],
): (report: TrainReport) => Promise<TrainReport> {
  let found = 0;
  return async (report) => {
    if (report.validation === null) return report;
    const warning = independenceWarning(await dependence(model, probes));
    found = warning === null ? 0 : found + 1;
    const isCertain = found > 1 || report.step >= report.totalSteps;
    return {
      ...report,
      ...(persistence !== null && { persistence }),
      ...(warning !== null && isCertain && { warnings: [warning] }),
    };
  };
}

/** Makes the parts of a run from its configuration. */
async function prepare(
  config: TrainConfig,
  place: string,
  folder: RunFolder,
  signal: AbortSignal,
): Promise<{
  model: Forecaster;
  trainer: Trainer<WeightedSample>;
  /** Data whose forecasts the report shows. */
  shown: Dataset<WeightedSample>;
  /** Concerns about the data. */
  warnings: string[];
  /** Validation loss of the last frame repeated; null without validation. */
  persistence: number | null;
  /** Sequences that tell whether forecasts depend on the input. */
  probes: readonly WeightedSample[];
  /** Number of training sequences. */
  windows: number;
}> {
  const rawTraining = (await openData(config, place, 'train'))!;
  const rawValidation = await openData(config, place, 'validation');
  await checkFrames(config, rawTraining);
  if (rawValidation) await checkFrames(config, rawValidation);
  else checkUnvalidated(config);
  const totalSteps = stepsOfRun(config, rawTraining.length);
  const model = buildModel(config);
  const look = await lookAtData(config, model, rawTraining);
  const { warnings } = rawValidation ? await lookAtData(config, model, rawValidation) : look;
  if (config.initialization.headBias === 'data') setHeadBias(model, look.means);
  const training = forModel(config, rawTraining);
  const validation = rawValidation && forModel(config, rawValidation);
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
  const shown = validation ?? training;
  const persistence =
    validation &&
    (await meanLoss(
      model,
      persistenceLoss(config, model),
      new DataLoader(validation, { batchSize }),
      { epoch: 1, step: 1 },
    ));
  return {
    model,
    trainer,
    shown,
    windows: training.length,
    warnings: [...new Set([...look.warnings, ...warnings])],
    persistence,
    probes: await Promise.all(spread(shown.length, kProbes).map((window) => shown.get(window, 0))),
  };
}
