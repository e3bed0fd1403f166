/**
 * The contract between the TypeScript of this package and its backends: the native addon
 * (`native/addon`) and the TypeScript fallback (`src/fallback`).
 *
 * Callers (`src/functional`) have checked every shape. A backend may still refuse one, with an
 * error that has a `code`, and must never crash on it.
 *
 * Every operation is enqueued and returns its result storages at once. An error while it runs (out
 * of memory, a device fault) is stored in them, propagates to whatever is computed from them, and
 * is thrown by `data()` and `dataSync()`.
 */

/** float32 elements in the memory of one backend. Immutable to callers. */
export interface Storage {
  /** Number of float32 elements. */
  readonly length: number;
  readonly disposed: boolean;
  /** The elements in row-major order, when they have been computed. */
  data(): Promise<Float32Array<ArrayBuffer>>;
  /** Like `data()`, but blocks the calling thread. */
  dataSync(): Float32Array<ArrayBuffer>;
  /** Releases this handle; memory is freed when no queued operation needs it. Idempotent. */
  dispose(): void;
}

/** A row-major shape. */
export type Shape = readonly number[];
export type Pair = readonly [number, number];

export type UnaryOp =
  | 'neg'
  | 'abs'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'sigmoid'
  | 'tanh'
  | 'relu'
  | 'leakyRelu'
  | 'square'
  /** log(1 + exp(x)) */
  | 'softplus';
/** `greater` and `equal` give 1 or 0, and 0 where an operand is NaN. */
export type BinaryOp = 'add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'greater' | 'equal';
export type ReduceOp = 'sum' | 'mean' | 'max';
export type Precision = 'highest' | 'high' | 'medium';

export interface Conv2dArguments {
  x: Storage;
  /** [batch, inChannels, height, width] */
  xShape: Shape;
  /** [outChannels, inChannels, kernelHeight, kernelWidth] */
  weight: Storage;
  weightShape: Shape;
  /** [outChannels] */
  bias: Storage | null;
  stride: Pair;
  /** Zeros added on both sides of height and of width. */
  padding: Pair;
  dilation: Pair;
  precision: Precision;
}

/** A layer without its input: within a stack that is the output of the layer below. */
export interface ConvLstmLayerArguments {
  batch: number;
  time: number;
  /** x and output are [time, batch, ...] when true, else [batch, time, ...]. */
  timeMajor: boolean;
  inputDim: number;
  hiddenDim: number;
  height: number;
  width: number;
  kernelHeight: number;
  kernelWidth: number;
  /** [4 * hiddenDim, inputDim + hiddenDim, kernelHeight, kernelWidth], gates packed i, f, o, g. */
  weight: Storage;
  /** [4 * hiddenDim] */
  bias: Storage | null;
  peephole: 'none' | 'channel' | 'spatial';
  /** [hiddenDim] for `channel`, [hiddenDim, height, width] for `spatial`, null for `none`. */
  wci: Storage | null;
  wcf: Storage | null;
  wco: Storage | null;
  /** [batch, hiddenDim, height, width]; null is zeros. */
  h0: Storage | null;
  c0: Storage | null;
  /** [batch, hiddenDim, height, width]; multiplies h of the previous step in the convolution. */
  recurrentMask: Storage | null;
  /**
   * Share z of the previous h or c that each step keeps, 0 to 1: c' = f c_{t-1} + i g,
   * c_t = z c_{t-1} + (1 - z) c', h_t = z h_{t-1} + (1 - z) o tanh(c'); o reads c'. Shaped like the
   * output, or one element for all.
   */
  zoneoutH: Storage | null;
  zoneoutC: Storage | null;
  precision: Precision;
}

/** One layer over a whole sequence; a single step is a sequence of time = 1. */
export interface ConvLstmArguments extends ConvLstmLayerArguments {
  /** [batch, time, inputDim, height, width] */
  x: Storage;
  /**
   * Saved for `convLstmBackward`: with 0 nothing; with 1 gates and c of every step; with k > 1 c of
   * every k-th step, from which the steps between are recomputed.
   */
  saveEvery: number;
}

export interface ConvLstmResult {
  /** h of every step: [batch, time, hiddenDim, height, width], time first when timeMajor. */
  output: Storage;
  /** h and c after the last step: [batch, hiddenDim, height, width]. */
  h: Storage;
  c: Storage;
  /** For `convLstmBackward`, in the backend's own layout; null with `saveEvery` 0. */
  saved: Storage | null;
}

export interface ConvLstmStackResult {
  /** The last layer's h of every step. */
  output: Storage;
  /** h and c of every layer after the last step. */
  states: { h: Storage; c: Storage }[];
}

/** The arguments of the forward call, its results, their gradients, and the gradients wanted. */
export interface ConvLstmBackwardArguments extends ConvLstmArguments {
  output: Storage;
  /** The forward call's `saved`; may be overwritten, so it serves once. */
  saved: Storage;
  /** Gradients of the three results; null is zeros. */
  outputGrad: Storage | null;
  hGrad: Storage | null;
  cGrad: Storage | null;
  /** Gradients to compute; those of absent operands are null whatever it says. */
  wants: {
    x: boolean;
    h0: boolean;
    c0: boolean;
    weight: boolean;
    bias: boolean;
    peephole: boolean;
  };
}

/** Each shaped like its operand; null if not wanted. */
export interface ConvLstmGradients {
  x: Storage | null;
  h0: Storage | null;
  c0: Storage | null;
  weight: Storage | null;
  bias: Storage | null;
  wci: Storage | null;
  wcf: Storage | null;
  wco: Storage | null;
}

export interface Conv2dBackwardArguments extends Conv2dArguments {
  /** Gradient of the result: [batch, outChannels, outHeight, outWidth]. */
  grad: Storage;
  wants: { x: boolean; weight: boolean; bias: boolean };
}

export interface Conv2dGradients {
  x: Storage | null;
  weight: Storage | null;
  bias: Storage | null;
}

/** PyTorch's `SGD`: g += weightDecay p; buffer = momentum buffer + (1 - dampening) g; ... */
export interface SgdArguments {
  parameter: Storage;
  grad: Storage;
  /** Null on the first step, which sets the buffer to g, and without momentum. */
  buffer: Storage | null;
  lr: number;
  momentum: number;
  dampening: number;
  nesterov: boolean;
  weightDecay: number;
}

/** Results of optimizers are new storages; operands are unchanged. */
export interface SgdResult {
  parameter: Storage;
  /** Null without momentum. */
  buffer: Storage | null;
}

/** PyTorch's `RMSprop`, not centred. */
export interface RmspropArguments {
  parameter: Storage;
  grad: Storage;
  /** Null is zeros. */
  squareAverage: Storage | null;
  /** Null is zeros; always null without momentum. */
  buffer: Storage | null;
  lr: number;
  alpha: number;
  eps: number;
  momentum: number;
  weightDecay: number;
}

export interface RmspropResult {
  parameter: Storage;
  squareAverage: Storage;
  /** Null without momentum. */
  buffer: Storage | null;
}

/** PyTorch's `Adam`, or with `decoupled` its `AdamW`. */
export interface AdamArguments {
  parameter: Storage;
  grad: Storage;
  /** Null is zeros. */
  average: Storage | null;
  squareAverage: Storage | null;
  /** Number of the step, from 1. */
  step: number;
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  decoupled: boolean;
}

export interface AdamResult {
  parameter: Storage;
  average: Storage;
  squareAverage: Storage;
}

/** The operations of one device. */
export interface Backend {
  /** Copies `values` before it returns. */
  upload(values: Float32Array): Storage;
  /** Copies a storage of another device. Absent in the fallback, which is one device. */
  copy?(x: Storage): Storage;
  fill(length: number, value: number): Storage;
  /** `alpha` is the negative slope of leakyRelu; other operations ignore it. */
  unary(op: UnaryOp, x: Storage, alpha: number): Storage;
  /**
   * Gradient of x from `grad`, that of the result. `saved` is the result for exp, sqrt, sigmoid,
   * tanh and relu, x for abs, log, leakyRelu, square and softplus, and unread for neg. The
   * derivative at 0 is 0 for abs and relu, `alpha` for leakyRelu.
   */
  unaryBackward(op: UnaryOp, saved: Storage, grad: Storage, alpha: number): Storage;
  /** Both shapes broadcast to `outShape` by NumPy's rules; it may be larger than both require. */
  binary(
    op: BinaryOp,
    a: Storage,
    aShape: Shape,
    b: Storage,
    bShape: Shape,
    outShape: Shape,
  ): Storage;
  /** `axes` are non-negative, ascending, unique. The caller keeps or drops reduced dimensions. */
  reduce(op: ReduceOp, x: Storage, shape: Shape, axes: readonly number[]): Storage;
  permute(x: Storage, shape: Shape, order: readonly number[]): Storage;
  /** Element k of axis a of the result is element starts[a] + k * steps[a] of x; steps >= 1. */
  slice(
    x: Storage,
    shape: Shape,
    starts: readonly number[],
    sizes: readonly number[],
    steps: readonly number[],
  ): Storage;
  /** Gradient of `slice`'s x, of `shape`: `grad` at the slice's elements, 0 elsewhere. */
  sliceBackward(
    grad: Storage,
    shape: Shape,
    starts: readonly number[],
    sizes: readonly number[],
    steps: readonly number[],
  ): Storage;
  concat(parts: readonly Storage[], shapes: readonly Shape[], axis: number): Storage;
  conv2d(args: Conv2dArguments): Storage;
  convLstm(args: ConvLstmArguments): ConvLstmResult;
  /**
   * Stacked layers, first to last, without storing the sequences between them; `x` is the first
   * layer's input. Absent in backends that gain nothing by it.
   */
  convLstmStack?(layers: readonly ConvLstmLayerArguments[], x: Storage): ConvLstmStackResult;
  /**
   * `value` with `probability`, else 0. Element n uses word n % 4 of Philox block
   * `counter` + floor(n / 4), as in `src/tensor/random.ts`: `value` if (word >>> 8) / 2^24 <
   * probability.
   */
  bernoulli(
    length: number,
    probability: number,
    value: number,
    key0: number,
    key1: number,
    counter: number,
  ): Storage;
  sgdStep(args: SgdArguments): SgdResult;
  rmspropStep(args: RmspropArguments): RmspropResult;
  adamStep(args: AdamArguments): AdamResult;
  conv2dBackward(args: Conv2dBackwardArguments): Conv2dGradients;
  convLstmBackward(args: ConvLstmBackwardArguments): ConvLstmGradients;
}

export interface GpuInfo {
  /** The driver's name of it, e.g. `NVIDIA H100 80GB HBM3`. */
  name: string;
  /** Major and minor version: `9.0`. */
  computeCapability: string;
  /** Total memory in bytes. */
  memoryBytes: number;
  /** Bytes of live storages on it; 0 before it is used. */
  liveBytes: number;
  /** Bytes kept on it for reuse. */
  cachedBytes: number;
  /** CUDA version of the driver, e.g. `13.0`. */
  driver: string;
  /** Kernel family: `tensor cores` or `FMA`. */
  kernels: string;
  /** Why it cannot be used, e.g. older than Turing; empty if it can. */
  reason: string;
}

export interface AddonInfo {
  version: string;
  /** The CPU engine on this machine. */
  cpu: {
    /** Processor features that kernels use, e.g. `avx2`, `avx512f`, `avx512bf16`, `amx-bf16`. */
    features: string[];
    /** Instruction set in use: the machine's best, or that of CONVLSTM_ISA. */
    isa: string;
    /** Instruction sets of this machine, best first: valid values of CONVLSTM_ISA. */
    isas: string[];
    /** Threads that compute: CONVLSTM_THREADS, by default the processors of this process. */
    threads: number;
  };
  /** The GPUs of this machine. */
  cuda: {
    /** By number: `cuda:0`, `cuda:1`, ... */
    devices: GpuInfo[];
    /** Why no GPU can be used; empty if one can. */
    reason: string;
  };
  /** ConvLSTM kernels chosen so far in this process, e.g. `... -> winograd-f4x4-3x3 f32 avx512`. */
  kernels: string[];
  /** Memory of the CPU engine. */
  memory: {
    /** Bytes of live storages. */
    liveBytes: number;
    /** Bytes kept for reuse; `emptyCache()` frees them. */
    cachedBytes: number;
  };
}

/** Exports of `native/addon`. */
export interface Addon {
  /** The CPU engine. */
  cpu: Backend;
  /** The engine of one GPU, opened at the first call. Throws ERR_DEVICE if absent or unusable. */
  cuda(device: number): Backend;
  info(): AddonInfo;
  /** Frees memory kept for reuse, a GPU's after its queued operations. */
  emptyCache(): void;
}
