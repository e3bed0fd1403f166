/** The public face of the package. */
export type { GpuInfo, Pair, Precision, Shape } from '../binding.js';
export type { Device } from './backend.js';
export type { BackendInfo } from './backend-info.js';
export { backendInfo, emptyCache } from './backend-info.js';
export type { ErrorCode } from './errors.js';
export { ConvLSTMError } from './errors.js';
export * as functional from './functional/index.js';
export * from './nn/index.js';
export { getFloat32Precision, setFloat32Precision } from './precision.js';
export type { TensorLike, TensorSource, TypedArray } from './tensor/convert.js';
export type { NestedArray, ReadonlyNestedArray } from './tensor/nested.js';
export { manualSeed } from './tensor/random.js';
export type { TensorOptions } from './tensor/tensor.js';
export { Tensor } from './tensor/tensor.js';
