/** Public interface of the package: exports only. */
export type { GpuInfo, Pair, Precision, Shape } from '../binding.js';
export { isGradEnabled, noGrad } from './autograd/grad-mode.js';
export type { Device } from './backend.js';
export type { BackendInfo } from './backend-info.js';
export { backendInfo, emptyCache } from './backend-info.js';
export type { Batch, DataLoaderOptions, LoaderPosition } from './data/data-loader.js';
export { DataLoader } from './data/data-loader.js';
export type { Dataset, DatasetSource, Sample, SequenceSample } from './data/dataset.js';
export type { FrameFolderOptions } from './data/frame-folder.js';
export { FrameFolder } from './data/frame-folder.js';
export type { IdxArray } from './data/idx.js';
export { loadIdx } from './data/idx.js';
export { fillMissing } from './data/missing.js';
export type { MovingMnistOptions } from './data/moving-mnist.js';
export { MovingMnist } from './data/moving-mnist.js';
export { cropFrames, padFrames } from './data/padding.js';
export type { ErrorCode } from './errors.js';
export { ConvLSTMError } from './errors.js';
export * as functional from './functional/index.js';
export type { ByteSource, FilePath } from './io/files.js';
export type { FrameSource } from './io/frame-list.js';
export type { FrameSourceOptions, ReadFramesOptions, SourceFrame } from './io/frames.js';
export { readFrames } from './io/frames.js';
export * as gif from './io/gif.js';
export * as hdf5 from './io/hdf5.js';
export * as jpeg from './io/jpeg.js';
export type { NdArray } from './io/nd-array.js';
export * as npy from './io/npy.js';
export * as npz from './io/npz.js';
export * as pgm from './io/pgm.js';
export type { BitDepth } from './io/pixels.js';
export * as png from './io/png.js';
export * as safetensors from './io/safetensors.js';
export * from './losses/index.js';
export { absoluteError, crossEntropy, squaredError } from './metrics/errors.js';
export type { LeadTimeScores } from './metrics/lead-time.js';
export { persistence, scoreByLeadTime } from './metrics/lead-time.js';
export { ssim } from './metrics/ssim.js';
export type { ModelDescription, ModelDescriptionInput } from './models/description.js';
export { parseDescription } from './models/description.js';
export type { LoadModelOptions } from './models/files.js';
export { loadModel, saveModel } from './models/files.js';
export type { UnrollOptions } from './models/forecaster.js';
export { Forecaster } from './models/forecaster.js';
export type { LoadForecasterOptions, PatchOrder } from './models/patch-order.js';
export type { TransformName } from './models/transform.js';
export * from './nn/index.js';
export * from './optim/index.js';
export { getFloat32Precision, setFloat32Precision } from './precision.js';
export type { TensorLike, TensorSource, TypedArray } from './tensor/convert.js';
export type { NestedArray, ReadonlyNestedArray } from './tensor/nested.js';
export type { RandomState } from './tensor/random.js';
export { manualSeed, randomState, setRandomState } from './tensor/random.js';
export type { TensorJson } from './tensor/stored-tensor.js';
export type { TensorOptions } from './tensor/tensor.js';
export { Tensor } from './tensor/tensor.js';
export type { CheckpointState } from './training/checkpoint.js';
export { loadCheckpoint, saveCheckpoint } from './training/checkpoint.js';
export type { TrainConfig } from './training/config.js';
export { parseTrainConfig } from './training/config.js';
export type { ProgressOptions, ProgressStyle } from './training/progress.js';
export { Trainer } from './training/trainer.js';
export type {
  AnyOptimizer,
  CheckpointOptions,
  LossFunction,
  TrainEnd,
  TrainerOptions,
  TrainHistory,
  TrainProgress,
  TrainReport,
  ValidationOptions,
} from './training/trainer-options.js';
