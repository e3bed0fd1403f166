import {
  Adam,
  DataLoader,
  type Dataset,
  functional,
  Module,
  manualSeed,
  mseLoss,
  Parameter,
  Tensor,
  Trainer,
  type TrainerOptions,
  type TrainReport,
} from '../../src/index.js';

/** y = slope x + offset, with dropout. */
export class Line extends Module {
  slope = new Parameter(Tensor.from([0]));
  offset = new Parameter(Tensor.from([0]));

  forward(x: Tensor): Tensor {
    const y = x.mul(this.slope).add(this.offset);
    return this.training ? functional.dropout(y, 0.2) : y;
  }

  async values(): Promise<number[]> {
    return [await this.slope.item(), await this.offset.item()];
  }
}

export type Point = {
  input: { data: Float32Array; shape: number[] };
  target: { data: Float32Array; shape: number[] };
};

/** 12 points of y = 2 x - 1. */
export const points: Dataset<Point> = {
  length: 12,
  get(index) {
    const x = index / 6 - 1;
    return {
      input: { data: Float32Array.of(x), shape: [1] },
      target: { data: Float32Array.of(2 * x - 1), shape: [1] },
    };
  },
};

export interface Setting {
  model: Line;
  optimizer: Adam;
  trainer: Trainer<Point>;
}

export function setUp(options: Partial<TrainerOptions<Point>> = {}, batchSize = 4): Setting {
  manualSeed(11);
  const model = new Line();
  const optimizer = new Adam(model.parameters(), { lr: 0.05 });
  const trainer = new Trainer({
    model,
    optimizer,
    data: new DataLoader(points, { batchSize, shuffle: true, seed: 2 }),
    loss: ({ input, target }) => mseLoss(model.forward(input), target),
    epochs: 4,
    reportEvery: 5,
    ...options,
  });
  return { model, optimizer, trainer };
}

export async function drain(trainer: Trainer<Point>): Promise<TrainReport[]> {
  const reports: TrainReport[] = [];
  for await (const report of trainer) reports.push(report);
  return reports;
}
