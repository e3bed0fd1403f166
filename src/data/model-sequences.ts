import type { NdArray } from '../io/nd-array.js';
import type { Dataset, DatasetSource, SequenceSample } from './dataset.js';
import { fillMissing, missingTest } from './missing.js';
import { padFrames } from './padding.js';

/** A training example whose missing and padded pixels have no weight. */
export type WeightedSample = SequenceSample & {
  /** 1 for a pixel that counts, 0 for a missing or padded one: [T + T', C, H, W], input and target. */
  weight?: NdArray;
};

/** What a model needs of frames. @internal */
export interface FrameNeeds {
  /** Sides become multiples of it. */
  patchSize: number;
  /** Frame value that means missing beside NaN and infinities; null: none. */
  missing: number | null;
}

/** Recipe for worker threads. */
interface WorkerOptions extends FrameNeeds {
  inner: DatasetSource;
}

/** 1 for values that count, 0 for missing ones. */
function weigh(parts: readonly Readonly<NdArray>[], missing: number | null): NdArray {
  const isMissing = missingTest(missing);
  const [time, frame] = [
    parts.reduce((sum, { shape }) => sum + shape[0]!, 0),
    parts[0]!.shape.slice(1),
  ];
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    for (const value of part.data) data[at++] = isMissing(value) ? 0 : 1;
  }
  return { data, shape: [time, ...frame] };
}

/**
 * Sequences as a model needs them: missing pixels filled, sides padded to whole patches, and `weight`, by
 * which neither counts.
 *
 * @internal
 */
export class ModelSequences implements Dataset<WeightedSample> {
  readonly length: number;
  readonly source: DatasetSource | undefined;
  readonly #inner: Dataset<SequenceSample>;
  readonly #needs: FrameNeeds;

  constructor(inner: Dataset<SequenceSample>, { patchSize, missing }: FrameNeeds) {
    this.length = inner.length;
    this.#inner = inner;
    this.#needs = { patchSize, missing };
    this.source = inner.source && {
      module: import.meta.url,
      options: { inner: inner.source, patchSize, missing } satisfies WorkerOptions,
    };
  }

  async get(index: number, epoch: number): Promise<WeightedSample> {
    const { patchSize, missing } = this.#needs;
    const { input, target } = await this.#inner.get(index, epoch);
    const prepare = (frames: NdArray) => padFrames(fillMissing(frames, missing), patchSize);
    return {
      input: prepare(input),
      target: prepare(target),
      weight: padFrames(weigh([input, target], missing), patchSize),
    };
  }
}

/** Called by the workers of a `DataLoader`. @internal */
export default async function openModelSequences(options: WorkerOptions): Promise<ModelSequences> {
  const { module, options: given } = options.inner;
  const { default: open } = (await import(String(module))) as {
    default: (options: unknown) => Dataset<SequenceSample> | Promise<Dataset<SequenceSample>>;
  };
  return new ModelSequences(await open(given), options);
}
