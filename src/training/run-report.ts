import { noGrad } from '../autograd/grad-mode.js';
import { backendInfo } from '../backend-info.js';
import type { SequenceSample } from '../data/dataset.js';
import type { Forecaster } from '../models/forecaster.js';
import { Tensor } from '../tensor/tensor.js';
import { formatNumber, lineChart } from './chart.js';
import { type ForecastExample, renderReport } from './html-report.js';
import { lossCurve } from './loss-curve.js';
import { formatDuration } from './progress.js';
import type { Trainer } from './trainer.js';
import type { TrainReport } from './trainer-options.js';

/** What the model makes of a sample, all with values 0..1. */
async function forecastOf(
  model: Forecaster,
  { input, target }: SequenceSample,
): Promise<ForecastExample> {
  const { scale } = model.description;
  const scaled = (data: Float32Array) => (scale === 1 ? data : data.map((value) => value / scale));
  using x = Tensor.from(input.data, [1, ...input.shape], { device: model.head.weight.device });
  using y = noGrad(() => model.forward(x, target.shape[0]!));
  return {
    input: { data: scaled(input.data), shape: input.shape },
    target: { data: scaled(target.data), shape: target.shape },
    forecast: { data: scaled(await y.data()), shape: target.shape },
  };
}

/** The report of a forecaster's run after one of its reports: an HTML document. */
export async function reportOfRun(
  trainer: Trainer<SequenceSample>,
  model: Forecaster,
  last: TrainReport,
  samples: readonly SequenceSample[],
  settings: unknown,
): Promise<string> {
  const { best, history, ended } = trainer;
  const { device, cpu, version } = backendInfo();
  const engine = device === 'cpu' ? `${cpu.isa}, ${cpu.threads} threads` : device;
  const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
  const state =
    ended === null
      ? 'training'
      : { done: 'done', patience: 'stopped early', aborted: 'stopped' }[ended];
  const validated = best
    ? [['Best validation', `${formatNumber(best.loss)} after step ${best.step}`] as const]
    : [];
  return renderReport({
    title: 'Training of a ConvLSTM',
    facts: [
      ['State', `${state}, ${last.step} of ${last.totalSteps} steps, epoch ${last.epoch}`],
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
