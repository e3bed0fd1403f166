// Frames of an .npy file, of which only those asked for are read.
import type { BlockCache } from './block-cache.js';
import { formatError } from './files.js';
import { type ByAxis, splitAxes } from './frame-layout.js';
import type { NdArray } from './nd-array.js';
import { gather, type NpyHeader, readHeader, readValues } from './npy.js';
import type { Access, RandomAccess } from './random-access.js';

/** Bytes of a span that is read whole, gaps included. */
const kSpanBytes = 2 ** 23;

/** Bytes of the frames that are read together where those of one frame lie apart. */
const kBlockBytes = 2 ** 26;

/** An axis of a box: its size, and its strides in the file and in the result. */
interface BoxAxis {
  size: number;
  stride: number;
  to: number;
}

/** Reads a box; its axes by decreasing stride in the file. */
async function readBox(
  file: RandomAccess,
  header: NpyHeader,
  axes: readonly BoxAxis[],
  first: number,
  into: Float32Array,
  target: number,
): Promise<void> {
  const span = axes.reduce((sum, { size, stride }) => sum + (size - 1) * stride, 1);
  const count = axes.reduce((product, { size }) => product * size, 1);
  const [outer, ...inner] = axes;
  if (4 * span <= kSpanBytes || span <= 2 * count || inner.length === 0) {
    const values = await readValues(file, header, first, first + span);
    const [strides, shape, to] = [
      axes.map(({ stride }) => stride),
      axes.map(({ size }) => size),
      axes.map((axis) => axis.to),
    ];
    gather(values, strides, shape, into, to, target);
    return;
  }
  for (let i = 0; i < outer!.size; i++) {
    await readBox(file, header, inner, first + i * outer!.stride, into, target + i * outer!.to);
  }
}

function sameHeader(a: NpyHeader, b: NpyHeader): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * Frames of an .npy file.
 *
 * @param access opens the file for each read
 * @internal
 */
export async function openNpy(
  access: Access,
  cache: BlockCache,
  layout: string | null,
): Promise<{
  count: number;
  sequences: number;
  read(index: number): Promise<NdArray>;
}> {
  const { header, sizes, strides } = await access(async (file) => {
    const found = await readHeader(file);
    return { header: found, ...splitAxes(file.name, found.shape, found.strides, layout) };
  });
  const { N, T, C, H, W } = sizes;
  const frame = C * H * W;
  const key = cache.newFile();

  /** Frames of a box of sequences and times, in the order of frames. */
  const readBlock = (n0: number, n1: number, t0: number, t1: number): Promise<Float32Array> =>
    access(async (file) => {
      if (!sameHeader(header, await readHeader(file))) {
        throw formatError(file.name, 'was replaced after it was opened');
      }
      const [n, t] = [n1 - n0, t1 - t0];
      const box: ByAxis = { ...sizes, N: n, T: t };
      const to: ByAxis = { N: t * frame, T: frame, C: H * W, H: W, W: 1 };
      const axes = (['N', 'T', 'C', 'H', 'W'] as const)
        .filter((axis) => box[axis] > 1)
        .map((axis) => ({ size: box[axis], stride: strides[axis], to: to[axis] }))
        .sort((a, b) => b.stride - a.stride);
      const data = new Float32Array(n * t * frame);
      await readBox(file, header, axes, n0 * strides.N + t0 * strides.T, data, 0);
      return data;
    });

  // Frames that lie in one piece are read one by one. Of others, such as those of Fortran order, which
  // are all over the file, as many are read in one pass as the block holds.
  const span = 1 + (C - 1) * strides.C + (H - 1) * strides.H + (W - 1) * strides.W;
  const perBlock = span <= 2 * frame ? 1 : Math.max(1, Math.floor(kBlockBytes / 4 / frame));
  const times = Math.min(T, perBlock);
  const sequences = Math.max(1, Math.floor(perBlock / T));

  return {
    count: N * T,
    sequences: N,
    async read(index) {
      const [n, t] = [Math.floor(index / T), index % T];
      const [n0, t0] = [n - (n % sequences), t - (t % times)];
      const [n1, t1] = [Math.min(N, n0 + sequences), Math.min(T, t0 + times)];
      const block = await cache.get(
        `${key}${n0},${t0}`,
        () => readBlock(n0, n1, t0, t1),
        ({ byteLength }) => byteLength,
      );
      const at = ((n - n0) * (t1 - t0) + (t - t0)) * frame;
      return { data: block.subarray(at, at + frame), shape: [C, H, W] };
    },
  };
}
