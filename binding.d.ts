/**
 * The contract between the TypeScript of this package and what computes for it.
 *
 * Two things satisfy it: the native addon (`native/addon`) and the plain TypeScript fallback
 * (`src/fallback`). Every shape has been checked by the caller (`src/functional`); a backend may
 * still refuse one, with an error that carries a `code`, and must never crash on it.
 *
 * Every operation is enqueued and returns at once with the storages of its results. What goes wrong
 * while it runs (out of memory, a fault of the device) is kept by those storages, passed on to what is
 * computed from them, and thrown by `data()` or `dataSync()`.
 */

/** float32 elements in the memory of one backend. Immutable to callers. */
export interface Storage {
  /** Number of float32 elements. */
  readonly length: number;
  readonly disposed: boolean;
  /** The elements in row-major order, once they have been computed. */
  data(): Promise<Float32Array<ArrayBuffer>>;
  /** The same; blocks the calling thread until then. */
  dataSync(): Float32Array<ArrayBuffer>;
  /** Drops this handle; memory goes when no queued operation needs it any more. Idempotent. */
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

/** A layer, but for its input: above others it takes the output of the one below. */
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
  /** [batch, hiddenDim, height, width]: h of the step before is multiplied by it in the convolution. */
  recurrentMask: Storage | null;
  /**
   * How much of the old h or c each step keeps, 0 to 1: h_t = z h_{t-1} + (1 - z) o tanh(c_t), and
   * c_t = z c_{t-1} + (1 - z) (f c_{t-1} + i g), where o and tanh see c before it is mixed. Elements lie
   * as those of the output, or there is one that stands for all.
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
   * What a later `convLstmBackward` is left: 0 nothing; 1 gates and c of every step; k > 1 c of every
   * k-th step, from which the steps between are computed again.
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
  /** Of every layer after the last step. */
  states: { h: Storage; c: Storage }[];
}

/** The forward call once more, what came of it, and what is to be found. */
export interface ConvLstmBackwardArguments extends ConvLstmArguments {
  output: Storage;
  /** Of the forward call. Used up: it may be overwritten, and serves once. */
  saved: Storage;
  /** The gradients of the three results; null is zeros. */
  outputGrad: Storage | null;
  hGrad: Storage | null;
  cGrad: Storage | null;
  /** Which gradients to compute; those of absent operands are not asked for. */
  wants: {
    x: boolean;
    h0: boolean;
    c0: boolean;
    weight: boolean;
    bias: boolean;
    peephole: boolean;
  };
}

/** Each with the elements of its operand; null where it was not asked for. */
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
  /** Of the result: [batch, outChannels, outHeight, outWidth]. */
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
  /** Null on the first step, when the buffer becomes g, and always without momentum. */
  buffer: Storage | null;
  lr: number;
  momentum: number;
  dampening: number;
  nesterov: boolean;
  weightDecay: number;
}

/** The optimizers' results are new storages; their operands stay as they were. */
export interface SgdResult {
  parameter: Storage;
  /** Null without momentum. */
  buffer: Storage | null;
}

/** PyTorch's `RMSprop`, not centred. */
export interface RmspropArguments {
  parameter: Storage;
  grad: Storage;
  /** Null stands for zeros. */
  squareAverage: Storage | null;
  /** Null stands for zeros, and always without momentum. */
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
  /** Null stands for zeros. */
  average: Storage | null;
  squareAverage: Storage | null;
  /** 1 for the first step. */
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
  /** The elements of a storage of another device of the addon. The fallback has no such neighbours. */
  copy?(x: Storage): Storage;
  fill(length: number, value: number): Storage;
  /** `alpha` is the negative slope of leakyRelu; ignored by the others. */
  unary(op: UnaryOp, x: Storage, alpha: number): Storage;
  /**
   * `grad` of the result to that of x. `saved` is the result for exp, sqrt, sigmoid, tanh and relu, x
   * for abs, log, leakyRelu, square and softplus, and not looked at for neg. At 0, abs has derivative
   * 0, relu 0 and leakyRelu `alpha`.
   */
  unaryBackward(op: UnaryOp, saved: Storage, grad: Storage, alpha: number): Storage;
  /** Both shapes broadcast to `outShape`, which may be larger still, by NumPy's rules. */
  binary(
    op: BinaryOp,
    a: Storage,
    aShape: Shape,
    b: Storage,
    bShape: Shape,
    outShape: Shape,
  ): Storage;
  /** `axes` are non-negative, ascending, unique. Kept or dropped dimensions are the caller's business. */
  reduce(op: ReduceOp, x: Storage, shape: Shape, axes: readonly number[]): Storage;
  permute(x: Storage, shape: Shape, order: readonly number[]): Storage;
  /** Element k of axis a of the result is element starts[a] + k * steps[a]; steps >= 1. */
  slice(
    x: Storage,
    shape: Shape,
    starts: readonly number[],
    sizes: readonly number[],
    steps: readonly number[],
  ): Storage;
  /** Elements of `shape`: those of `grad` where `slice` took the elements from, else 0. */
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
   * `convLstm` for layers one on another, first to last, without holding the sequences between them;
   * `x` is the first layer's. Absent where a backend has nothing to gain by it.
   */
  convLstmStack?(layers: readonly ConvLstmLayerArguments[], x: Storage): ConvLstmStackResult;
  /**
   * `value` with `probability`, else 0. Element n is decided by word n % 4 of the Philox block with
   * the counter `counter` + floor(n / 4), as `src/tensor/random.ts` makes it: `value` where
   * (word >>> 8) / 2^24 < probability.
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
  /** As its driver has it, e.g. `NVIDIA H100 80GB HBM3`. */
  name: string;
  /** Major and minor: `9.0`. */
  computeCapability: string;
  /** All of its memory, in bytes. */
  memoryBytes: number;
  /** Bytes of live storages on it; 0 before it is used. */
  liveBytes: number;
  /** Bytes kept there for reuse. */
  cachedBytes: number;
  /** The CUDA version that its driver has, e.g. `13.0`. */
  driver: string;
  /** What multiplies: `tensor cores` or `FMA`. */
  kernels: string;
  /** Why it cannot be used, e.g. that it is older than Turing; empty where it can. */
  reason: string;
}

export interface AddonInfo {
  version: string;
  /** The CPU engine on this machine. */
  cpu: {
    /** The processor's features that matter here, e.g. `avx2`, `avx512f`, `avx512bf16`, `amx-bf16`. */
    features: string[];
    /** The instruction set in use: the best the machine has, or what CONVLSTM_ISA asked for. */
    isa: string;
    /** All that this machine can run, best first: valid values of CONVLSTM_ISA. */
    isas: string[];
    /** Of the pool that computes: CONVLSTM_THREADS, else as many as this process may use. */
    threads: number;
  };
  /** The GPUs of this machine. */
  cuda: {
    /** In the order of their numbers: `cuda:0`, `cuda:1`, ... */
    devices: GpuInfo[];
    /** Why none can be used; empty where one can. */
    reason: string;
  };
  /** ConvLSTM kernels chosen so far in this process, e.g. `W1-shape -> winograd-f4x4-3x3 f32 avx512`. */
  kernels: string[];
  /** Of the CPU engine. */
  memory: {
    /** Bytes of live storages. */
    liveBytes: number;
    /** Bytes kept for reuse; `emptyCache()` gives them back. */
    cachedBytes: number;
  };
}

/** What `native/addon` exports. */
export interface Addon {
  /** The CPU engine. */
  cpu: Backend;
  /** The engine of one GPU, opened at the first call; throws ERR_DEVICE where it is not there. */
  cuda(device: number): Backend;
  info(): AddonInfo;
  /** Gives back the memory that is kept for reuse: a GPU's when it has done what is queued. */
  emptyCache(): void;
}
