import type { NdArray } from '../io/nd-array.js';

/** Crops a frame [C, H, W], or pads it with zeros, at the bottom and right. */
function resize({ data, shape }: NdArray, height: number, width: number): NdArray {
  const [channels, oldHeight, oldWidth] = shape as [number, number, number];
  if (height === oldHeight && width === oldWidth) return { data, shape };
  const resized = new Float32Array(channels * height * width);
  const columns = Math.min(width, oldWidth);
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < Math.min(height, oldHeight); row++) {
      const from = (channel * oldHeight + row) * oldWidth;
      resized.set(data.subarray(from, from + columns), (channel * height + row) * width);
    }
  }
  return { data: resized, shape: [channels, height, width] };
}

/** Pads a frame [C, H, W] with zeros at the bottom and right to multiples of `patchSize`. */
export function padFrame(frame: NdArray, patchSize: number): NdArray {
  const [, height, width] = frame.shape as [number, number, number];
  const up = (side: number) => Math.ceil(side / patchSize) * patchSize;
  return resize(frame, up(height), up(width));
}

/** Crops a frame [C, H, W] to its upper left part. */
export function cropFrame(frame: NdArray, [height, width]: readonly [number, number]): NdArray {
  return resize(frame, height, width);
}
