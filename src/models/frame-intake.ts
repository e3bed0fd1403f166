import type { Device } from '../backend.js';
import { fillMissing, missingTest } from '../data/missing.js';
import { padFrames } from '../data/padding.js';
import type { NdArray } from '../io/nd-array.js';
import type { Frame } from '../nn/index.js';
import { batchOf } from '../nn/stream.js';
import { Tensor } from '../tensor/tensor.js';
import type { ModelDescription } from './description.js';

/** Frames on their way into a model and back: missing values, sizes. */
export class FrameIntake {
  readonly #description: ModelDescription;
  readonly #device: Device;
  readonly #isMissing: (value: number) => boolean;
  /** Shape of the last frame before padding: [B, C, H, W]. */
  #shape: number[] = [];
  /** 1 for each pixel that was missing in every frame; null before the first frame. */
  #neverSeen: Uint8Array | null = null;

  constructor(description: ModelDescription, device: Device) {
    this.#description = description;
    this.#device = device;
    this.#isMissing = missingTest(description.missing);
  }

  /** The frame as a tensor [B, C, H, W] of whole patches without missing values, owned by the caller. */
  async prepare(frame: Frame): Promise<Tensor> {
    const x = batchOf(frame, this.#device);
    try {
      const { patchSize, missing } = this.#description;
      const array = { data: await valuesOf(frame, x), shape: [...x.shape] };
      if (array.shape.length !== 4) return x.clone(); // the layers refuse it by name
      this.#shape = array.shape;
      this.#see(array.data);
      const ready = padFrames(fillMissing(array, missing), patchSize);
      if (ready.data === array.data) return x.clone();
      return Tensor.from(ready, undefined, { device: x.device });
    } finally {
      if (x !== frame) x.dispose();
    }
  }

  #see(values: Float32Array): void {
    if (this.#neverSeen?.length !== values.length) {
      this.#neverSeen = new Uint8Array(values.length).fill(1);
    }
    const neverSeen = this.#neverSeen;
    for (let i = 0; i < values.length; i++) {
      if (neverSeen[i] === 1 && !this.#isMissing(values[i]!)) neverSeen[i] = 0;
    }
  }

  /** A forecast [B, C, H', W'] at the size of the frames, NaN where every frame was missing. */
  restore(forecast: Tensor): Tensor {
    const [height, width] = this.#shape.slice(-2) as [number, number];
    const cropped = forecast.slice([null, null, null, null], [null, null, height, width]);
    if (!this.#neverSeen?.includes(1)) return cropped;
    const data = Float32Array.from(this.#neverSeen, (never) => (never ? NaN : 0));
    using unknown = Tensor.from({ data, shape: this.#shape }, undefined, {
      device: cropped.device,
    });
    using known = cropped;
    return known.add(unknown);
  }
}

/** Values of a frame: those of an array are at hand, others come from the device. */
function valuesOf(frame: Frame, x: Tensor): Float32Array | Promise<Float32Array> {
  if (!(frame instanceof Tensor) && typeof frame === 'object' && 'data' in frame) {
    const { data } = frame as Partial<NdArray>;
    if (data instanceof Float32Array) return data;
  }
  return x.data();
}
