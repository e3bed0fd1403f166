import { lineChart } from './chart.js';
import type { TrainHistory } from './trainer-options.js';

/** Draws the losses of a run by step. @internal */
export function lossCurve({ loss, validation }: TrainHistory): string {
  const series = [
    { name: 'training', points: loss },
    { name: 'validation', points: validation },
  ];
  return lineChart({ title: 'Loss', xLabel: 'step', series });
}
