import { ConvLSTMError } from '../errors.js';
import type { NdArray } from '../io/nd-array.js';
import type { IdxArray } from './idx.js';
import { RandomStream } from './random-stream.js';

/** Options of `MovingMnist`. */
export interface MovingMnistOptions {
  /** 0 by default. */
  seed?: number;
  /** Frames of a sequence; 20 by default. */
  frames?: number;
  /** Height and width of a frame in pixels; 64 by default. */
  size?: number;
  /** Digits in a sequence; 2 by default. */
  numDigits?: number;
  /** Slowest and fastest speed in pixels a frame; [3, 5] by default. */
  speed?: readonly [number, number];
}

/** One coordinate of a digit that moves between two walls. */
interface Motion {
  position: number;
  velocity: number;
}

function move(motion: Motion, limit: number): void {
  motion.position += motion.velocity;
  if (motion.position <= 0 || motion.position >= limit) {
    motion.position = Math.min(Math.max(motion.position, 0), limit);
    motion.velocity = -motion.velocity;
  }
}

/**
 * Moving MNIST (Srivastava et al. 2015): handwritten digits that start anywhere, move at a constant
 * speed in any direction and bounce off the walls of the frame; where they overlap the brighter one
 * is seen. The sequences depend on the seed alone.
 *
 * @example
 * ```ts
 * const sequences = new MovingMnist(await loadIdx('t10k-images-idx3-ubyte'), { seed: 1 });
 * const x = Tensor.from(sequences.batch(8));   // [8, 20, 1, 64, 64], values 0..1
 * ```
 */
export class MovingMnist {
  readonly #digits: IdxArray;
  readonly #random: RandomStream;
  readonly #frames: number;
  readonly #size: number;
  readonly #numDigits: number;
  readonly #speed: readonly [number, number];

  /**
   * @param digits square digits [count, side, side], such as MNIST's
   * @throws ConvLSTMError ERR_SHAPE for other digits, ERR_OPTION for an option out of its range
   */
  constructor(digits: IdxArray, options: MovingMnistOptions = {}) {
    const { seed = 0, frames = 20, size = 64, numDigits = 2, speed = [3, 5] } = options;
    const [count, height, width] = digits.shape;
    if (digits.shape.length !== 3 || !count || height !== width || !width || width > size) {
      const message = `digits: expected [count, side, side], side at most ${size}, got [${digits.shape}]`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    }
    for (const [name, value] of Object.entries({ frames, size, numDigits })) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new ConvLSTMError('ERR_OPTION', `${name}: expected a positive integer, got ${value}`);
      }
    }
    if (!(speed[0] >= 0 && speed[1] >= speed[0] && speed[1] <= size)) {
      const message = `speed: expected [slowest, fastest] from 0 to ${size}, got [${speed}]`;
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    this.#digits = digits;
    this.#random = new RandomStream(seed);
    this.#frames = frames;
    this.#size = size;
    this.#numDigits = numDigits;
    this.#speed = speed;
  }

  /** The next sequence: [frames, 1, size, size]. */
  sequence(): NdArray {
    const frames = this.#frames;
    const size = this.#size;
    const data = new Float32Array(frames * size * size);
    this.#draw(data);
    return { data, shape: [frames, 1, size, size] };
  }

  /** The next `count` sequences: [count, frames, 1, size, size]. */
  batch(count: number): NdArray {
    const length = this.#frames * this.#size ** 2;
    const data = new Float32Array(count * length);
    for (let n = 0; n < count; n++) this.#draw(data.subarray(n * length, (n + 1) * length));
    return { data, shape: [count, this.#frames, 1, this.#size, this.#size] };
  }

  #draw(sequence: Float32Array): void {
    const [count, side] = this.#digits.shape as [number, number, number];
    const limit = this.#size - side;
    const area = this.#size ** 2;
    for (let n = 0; n < this.#numDigits; n++) {
      const start = Math.floor(this.#random.uniform(0, count)) * side * side;
      const digit = this.#digits.data.subarray(start, start + side * side);
      const angle = this.#random.uniform(0, 2 * Math.PI);
      const speed = this.#random.uniform(...this.#speed);
      const y = { position: this.#random.uniform(0, limit), velocity: speed * Math.sin(angle) };
      const x = { position: this.#random.uniform(0, limit), velocity: speed * Math.cos(angle) };
      for (let t = 0; t < this.#frames; t++) {
        this.#paint(sequence.subarray(t * area, (t + 1) * area), digit, y.position, x.position);
        move(y, limit);
        move(x, limit);
      }
    }
  }

  #paint(frame: Float32Array, digit: Uint8Array, y: number, x: number): void {
    const side = this.#digits.shape[1]!;
    const origin = Math.round(y) * this.#size + Math.round(x);
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        const at = origin + row * this.#size + column;
        const value = digit[row * side + column]! / 255;
        if (value > frame[at]!) frame[at] = value;
      }
    }
  }
}
