import { noGrad } from '../autograd/grad-mode.js';
import { backendInfo } from '../backend-info.js';
import type { SequenceSample } from '../data/dataset.js';
import type { NdArray } from '../io/nd-array.js';
import type { Forecaster } from '../models/forecaster.js';
import { Tensor } from '../tensor/tensor.js';
import { formatNumber, lineChart } from './chart.js';
import { type ForecastExample, renderReport } from './html-report.js';
import { lossCurve } from './loss-curve.js';
import { formatDuration } from './progress.js';
import type { Trainer } from './trainer.js';
import type { TrainEnd, TrainReport } from './trainer-options.js';

/** A sample with the model's forecast, values 0..1. */
async function forecastOf(
  model: Forecaster,
  { input, target }: SequenceSample,
): Promise<ForecastExample> {
  const { device } = model.head.weight;
  using x = Tensor.from(input.data, [1, ...input.shape], { device });
  using truth = Tensor.from(target.data, [1, ...target.shape], { device });
  using forecast = noGrad(() => model.forward(x, target.shape[0]!));
  const toArray = async (frames: Tensor): Promise<NdArray> => {
    using normalized = model.normalize(frames);
    return { data: await normalized.data(), shape: frames.shape.slice(1) };
  };
  return {
    input: await toArray(x),
    target: await toArray(truth),
    forecast: await toArray(forecast),
  };
}

/**
 * State of a run in its report. A killed process writes no last report: that of a run which has not ended
 * says when it was written, and claims nothing about now.
 */
function stateOf(ended: TrainEnd | null, failure: string | undefined): string {
  if (failure !== undefined) return `failed: ${failure}`;
  if (ended === null) return `as of ${new Date().toISOString().slice(0, 19)}Z, not ended`;
  return { done: 'done', patience: 'stopped early', aborted: 'stopped' }[ended];
}

/** Renders a forecaster's run as an HTML document; `failure` is the error that ended it. */
export async function reportOfRun(
  trainer: Trainer<SequenceSample>,
  model: Forecaster,
  last: TrainReport,
  samples: readonly SequenceSample[],
  settings: unknown,
  failure?: string,
): Promise<string> {
  const { best, history, ended } = trainer;
  const { device, cpu, version } = backendInfo();
  const engine = device === 'cpu' ? `${cpu.isa}, ${cpu.threads} threads` : device;
  const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
  const validated = best
    ? [['Best validation', `${formatNumber(best.loss)} after step ${best.step}`] as const]
    : [];
  return renderReport({
    title: 'Training of a ConvLSTM',
    facts: [
      [
        'State',
        `${stateOf(ended, failure)}, ${last.step} of ${last.totalSteps} steps, epoch ${last.epoch}`,
      ],
      ['Loss', formatNumber(last.loss)],
      ...validated,
      ['Time', formatDuration(trainer.seconds)],
      ['Samples a second', last.samplesPerSecond.toPrecision(3)],
      ['Parameters', parameters.toLocaleString('en')],
      ['Computed by', `convlstm ${version}, ${engine}`],
    ],
    charts: [
      lossCurve(history),
      lineChart({
        title: 'Learning rate',
        xLabel: 'step',
        logarithmic: false,
        series: [{ name: 'rate', points: history.lr }],
      }),
    ],
    examples: await Promise.all(samples.map((sample) => forecastOf(model, sample))),
    settings,
  });
}
