/**
 * The backend of binding.d.ts in plain TypeScript: float32 storage, float64 accumulation. It serves
 * machines without a native binary, and is the reference of the native engines' tests. Operations run
 * synchronously, on the calling thread.
 */
import type { Backend, Storage } from '../../binding.js';
import { bernoulli } from './bernoulli.js';
import { binary } from './binary.js';
import { concat } from './concat.js';
import { convLstmBackward } from './conv-lstm-backward.js';
import { convLstm } from './conv-lstm-forward.js';
import { conv2d, conv2dBackward } from './conv2d.js';
import { adamStep, rmspropStep, sgdStep } from './optimizers.js';
import { permute } from './permute.js';
import { reduce } from './reduce.js';
import { slice, sliceBackward } from './slice.js';
import { computeOne } from './storage.js';
import { unary, unaryBackward } from './unary.js';

function upload(values: Float32Array): Storage {
  return computeOne([], values.length, (out) => out.set(values));
}

function fill(length: number, value: number): Storage {
  return computeOne([], length, (out) => out.fill(value));
}

/** @internal */
export const fallback: Backend = {
  upload,
  fill,
  unary,
  unaryBackward,
  binary,
  reduce,
  permute,
  slice,
  sliceBackward,
  concat,
  conv2d,
  convLstm,
  bernoulli,
  sgdStep,
  rmspropStep,
  adamStep,
  conv2dBackward,
  convLstmBackward,
};
