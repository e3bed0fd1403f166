import { backendInfo } from '../backend-info.js';
import type { SequenceSample } from '../data/dataset.js';
import type { Forecaster } from '../models/forecaster.js';
import type { TrainConfig } from './config.js';

/** float32 values saved per hidden channel, pixel and step: four gates, c and h. */
const kSavedValues = 6;

/** MiB that a step saves for its backward pass, in the recurrent layers. */
function savedMebibytes(
  { model: { hiddenDim, patchSize }, batchSize, precision }: TrainConfig,
  steps: number,
  [height, width]: readonly [number, number],
): number {
  const channels = hiddenDim.reduce((sum, count) => sum + count, 0);
  const pixels = Math.ceil(height / patchSize) * Math.ceil(width / patchSize);
  // At medium gates and c have 16 bits.
  const values = precision === 'medium' ? (kSavedValues - 1) / 2 + 1 : kSavedValues;
  return (4 * values * channels * pixels * steps * batchSize) / 2 ** 20;
}

/** What a run trains, on what, and what that takes: the first line, printed before the first step. */
export function describeStart(
  config: TrainConfig,
  model: Forecaster,
  windows: number,
  { step, totalSteps }: { readonly step: number; readonly totalSteps: number },
  { input, target }: SequenceSample,
): string {
  const { device, cpu } = backendInfo();
  const engine = device === 'cpu' ? `cpu ${cpu.isa}, ${cpu.threads} threads` : device;
  const parameters = model.parameters().reduce((sum, { size }) => sum + size, 0);
  const [inputs, ...frame] = input.shape as [number, number, number, number];
  const [targets] = target.shape as [number];
  const memory = savedMebibytes(config, inputs + targets - 1, [frame[1], frame[2]]);
  return [
    `${windows.toLocaleString('en')} windows of ${inputs} + ${targets} frames [${frame.join(', ')}]`,
    `${totalSteps.toLocaleString('en')} steps of batch ${config.batchSize}${step === 0 ? '' : `, from step ${step}`}`,
    `${parameters.toLocaleString('en')} parameters`,
    engine,
    `about ${Math.ceil(memory).toLocaleString('en')} MiB a step beside the weights`,
  ].join('; ');
}
