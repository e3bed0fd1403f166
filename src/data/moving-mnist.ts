import { ConvLSTMError, kindOf } from '../errors.js';
import { type NdArray, safeElementCount } from '../io/nd-array.js';
import { checkCount, checkFlag, checkNames } from '../options.js';
import { type Dataset, type DatasetSource, type SequenceSample, splitSequence } from './dataset.js';
import type { IdxArray } from './idx.js';
import { checkSeed, RandomStream } from './random-stream.js';

/** Options of `MovingMnist`; the defaults are the procedure of Shi et al. 2015. */
export interface MovingMnistOptions {
  /** 0 by default. */
  seed?: number | undefined;
  /** Sequences in an epoch; 10,000 by default. */
  length?: number | undefined;
  /** Frames of a sequence; 20 by default. */
  frames?: number | undefined;
  /** How many of them are a sample's input, the others being its target; half by default. */
  inputLength?: number | undefined;
  /** Height and width of a frame in pixels; 64 by default. */
  size?: number | undefined;
  /** Digits in a sequence; 2 by default. */
  numDigits?: number | undefined;
  /** Slowest and fastest speed in pixels a frame; [3, 5] by default. */
  speed?: readonly [number, number] | undefined;
  /** Whether digits turn at the walls; where they do not, they leave the frame. True by default. */
  bounce?: boolean | undefined;
}

/** One coordinate of a digit that moves between two walls. */
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
 * Moving MNIST (Srivastava et al. 2015): handwritten digits that start anywhere, move at a constant
 * speed in any direction and bounce off the walls of the frame; where they overlap the brighter one
 * is seen.
 *
 * Sequence n depends on the seed and n alone, and there is no last one: sample k of epoch e is sequence
 * e * length + k, so that training never sees one twice. Digits for training and for testing are kept
 * apart by MNIST's own two files.
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
   * @throws ConvLSTMError ERR_SHAPE for other digits, ERR_OPTION for an option out of its range or unknown
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
      const message = `inputLength: expected at most frames, ${frames}, got ${inputLength}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    if (!(speed[0] >= 0 && speed[1] >= speed[0] && speed[1] <= size)) {
      const message = `speed: expected [slowest, fastest] from 0 to ${size}, got [${speed}]`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    this.length = length;
    this.source = { module: import.meta.url, options: { digits, ...options } };
    this.#digits = digits;
    this.#seed = checkSeed(seed);
    this.#frames = frames;
    this.#inputLength = inputLength;
    this.#size = size;
    this.#numDigits = numDigits;
    this.#speed = speed;
    this.#bounce = checkFlag('bounce', bounce);
  }

  /**
   * Sequence `index`, 0 and up: [frames, 1, size, size].
   *
   * @throws ConvLSTMError ERR_OPTION for an index that is none
   */
  sequence(index: number): NdArray {
    const { data, shape } = this.batch(1, index);
    return { data, shape: shape.slice(1) };
  }

  /**
   * `count` sequences, those from `first` on: [count, frames, 1, size, size].
   *
   * @throws ConvLSTMError ERR_OPTION for numbers that are none
   */
  batch(count: number, first = 0): NdArray {
    checkCount('count', count);
    if (!Number.isSafeInteger(first) || first < 0) {
      const message = `sequence: expected an integer of at least 0, got ${first}`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    const length = this.#frames * this.#size ** 2;
    const data = new Float32Array(count * length);
    for (let n = 0; n < count; n++) {
      this.#draw(data.subarray(n * length, (n + 1) * length), first + n);
    }
    return { data, shape: [count, this.#frames, 1, this.#size, this.#size] };
  }

  /** Sequence `epoch` * `length` + `index`, cut into what is seen and what follows. */
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

/** What a `DataLoader`'s worker calls. @internal */
export default function openMovingMnist({
  digits,
  ...options
}: MovingMnistOptions & { digits: IdxArray }): MovingMnist {
  return new MovingMnist(digits, options);
}
