import { ConvLSTMError, kindOf } from '../errors.js';
import { type NdArray, safeElementCount } from '../io/nd-array.js';
import { checkCount, checkFlag, checkNames, checkSeed, refuseOption } from '../options.js';
import { type Dataset, type DatasetSource, type SequenceSample, splitSequence } from './dataset.js';
import type { IdxArray } from './idx.js';
import { RandomStream } from './random-stream.js';

/** Options of `MovingMnist`; the defaults are those of Shi et al. 2015. */
export interface MovingMnistOptions {
  /** Seed of the sequences; 0 by default. */
  seed?: number | undefined;
  /** Sequences per epoch; 10,000 by default. */
  length?: number | undefined;
  /** Frames per sequence; 20 by default. */
  frames?: number | undefined;
  /** Frames of a sample's input, the rest being its target; half by default. */
  inputLength?: number | undefined;
  /** Height and width of a frame, pixels; 64 by default. */
  size?: number | undefined;
  /** Digits per sequence; 2 by default. */
  numDigits?: number | undefined;
  /** [slowest, fastest] speed, pixels per frame; [3, 5] by default. */
  speed?: readonly [number, number] | undefined;
  /** Whether digits bounce off the walls, or else leave the frame; true by default. */
  bounce?: boolean | undefined;
}

/** Motion of a digit along one axis. */
interface Motion {
  position: number;
  velocity: number;
}

function move(motion: Motion, limit: number, bounce: boolean): void {
  motion.position += motion.velocity;
  if (!bounce) return;
  if (motion.position <= 0 || motion.position >= limit) {
    motion.position = Math.min(Math.max(motion.position, 0), limit);
    motion.velocity = -motion.velocity;
  }
}

/**
 * Moving MNIST (Srivastava et al. 2015): handwritten digits start at a random position, move at a
 * constant speed in a random direction and bounce off the walls of the frame. Where digits overlap, the
 * brighter pixel shows.
 *
 * Sequence n depends on the seed and n only, for any n: sample k of epoch e is sequence e * length + k,
 * so that training sees none twice. MNIST's two files separate the digits for training and testing.
 *
 * @example
 * ```ts
 * const sequences = new MovingMnist(await loadIdx('t10k-images-idx3-ubyte'), { seed: 1 });
 * const x = Tensor.from(sequences.batch(8)); // [8, 20, 1, 64, 64], values 0..1
 * for await (const { input, target } of new DataLoader(sequences, { batchSize: 16, workers: 1 })) {}
 * ```
 */
export class MovingMnist implements Dataset<SequenceSample> {
  readonly length: number;
  readonly source: DatasetSource;
  readonly #digits: IdxArray;
  readonly #seed: number;
  readonly #frames: number;
  readonly #inputLength: number;
  readonly #size: number;
  readonly #numDigits: number;
  readonly #speed: readonly [number, number];
  readonly #bounce: boolean;

  /**
   * @param digits square digits [count, side, side], such as MNIST's
   * @throws ConvLSTMError ERR_SHAPE for digits of other shapes, ERR_OPTION for an unknown option or a
   *   value out of range
   */
  constructor(digits: IdxArray, options: MovingMnistOptions = {}) {
    checkNames('MovingMnist', options, {
      seed: true,
      length: true,
      frames: true,
      inputLength: true,
      size: true,
      numDigits: true,
      speed: true,
      bounce: true,
    });
    const { seed = 0, length = 10_000, frames = 20, size = 64, numDigits = 2 } = options;
    const { inputLength = Math.ceil(frames / 2), speed = [3, 5], bounce = true } = options;
    if (!digits?.data || !Array.isArray(digits.shape)) {
      const message = `digits: expected what loadIdx returns, { data, shape }, got ${kindOf(digits)}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    const [count, height, width] = digits.shape;
    if (digits.shape.length !== 3 || !count || height !== width || !width || width > size) {
      const message = `digits: expected [count, side, side], side at most ${size}, got [${digits.shape}]`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    }
    if (safeElementCount(digits.shape) !== digits.data.length) {
      const message = `digits: [${digits.shape.join(', ')}] does not hold ${digits.data.length} values`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    }
    for (const [name, value] of Object.entries({ length, frames, inputLength, size, numDigits })) {
      checkCount(name, value);
    }
    if (inputLength > frames) {
      refuseOption('inputLength', `at most frames, ${frames}`, inputLength);
    }
    if (!(speed[0] >= 0 && speed[1] >= speed[0] && speed[1] <= size)) {
      refuseOption('speed', `[slowest, fastest] from 0 to ${size}`, speed);
    }
    this.length = length;
    this.source = { module: import.meta.url, options: { digits, ...options } };
    this.#digits = digits;
    this.#seed = checkSeed('seed', seed);
    this.#frames = frames;
    this.#inputLength = inputLength;
    this.#size = size;
    this.#numDigits = numDigits;
    this.#speed = speed;
    this.#bounce = checkFlag('bounce', bounce);
  }

  /**
   * Sequence `index` (0, 1, ...): [frames, 1, size, size].
   *
   * @throws ConvLSTMError ERR_OPTION for a negative index
   */
  sequence(index: number): NdArray {
    const { data, shape } = this.batch(1, index);
    return { data, shape: shape.slice(1) };
  }

  /**
   * `count` sequences from `first` on: [count, frames, 1, size, size].
   *
   * @throws ConvLSTMError ERR_OPTION for a number out of range
   */
  batch(count: number, first = 0): NdArray {
    checkCount('count', count);
    checkCount('sequence', first, 0);
    const length = this.#frames * this.#size ** 2;
    const data = new Float32Array(count * length);
    for (let n = 0; n < count; n++) {
      this.#draw(data.subarray(n * length, (n + 1) * length), first + n);
    }
    return { data, shape: [count, this.#frames, 1, this.#size, this.#size] };
  }

  /** Sequence `epoch` * `length` + `index`, split into input and target. */
  get(index: number, epoch = 0): SequenceSample {
    return splitSequence(this.sequence(epoch * this.length + index), this.#inputLength);
  }

  #draw(sequence: Float32Array, index: number): void {
    const random = new RandomStream(this.#seed, index);
    const [count, side] = this.#digits.shape as [number, number, number];
    const limit = this.#size - side;
    const area = this.#size ** 2;
    for (let n = 0; n < this.#numDigits; n++) {
      const start = random.integer(count) * side * side;
      const digit = this.#digits.data.subarray(start, start + side * side);
      const angle = random.uniform(0, 2 * Math.PI);
      const speed = random.uniform(...this.#speed);
      const y = { position: random.uniform(0, limit), velocity: speed * Math.sin(angle) };
      const x = { position: random.uniform(0, limit), velocity: speed * Math.cos(angle) };
      for (let t = 0; t < this.#frames; t++) {
        this.#paint(sequence.subarray(t * area, (t + 1) * area), digit, y.position, x.position);
        move(y, limit, this.#bounce);
        move(x, limit, this.#bounce);
      }
    }
  }

  #paint(frame: Float32Array, digit: Uint8Array, y: number, x: number): void {
    const side = this.#digits.shape[1]!;
    const [top, left] = [Math.round(y), Math.round(x)];
    for (let row = Math.max(0, -top); row < Math.min(side, this.#size - top); row++) {
      for (let column = Math.max(0, -left); column < Math.min(side, this.#size - left); column++) {
        const at = (top + row) * this.#size + left + column;
        const value = digit[row * side + column]! / 255;
        if (value > frame[at]!) frame[at] = value;
      }
    }
  }
}

/** Called by the workers of a `DataLoader`. @internal */
export default function openMovingMnist({
  digits,
  ...options
}: MovingMnistOptions & { digits: IdxArray }): MovingMnist {
  return new MovingMnist(digits, options);
}
