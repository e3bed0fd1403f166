import { ConvLSTMError } from '../errors.js';
import { pixelShuffle, pixelUnshuffle } from '../functional/index.js';
import {
  Conv2d,
  type Frame,
  Module,
  type RecurrentCell,
  type RecurrentStack,
} from '../nn/index.js';
import { disposeState } from '../nn/recurrent-cell.js';
import { checkCount, checkFraction, checkNames } from '../options.js';
import { expectTensor } from '../tensor/operands.js';
import { Tensor } from '../tensor/tensor.js';
import { kCells } from './cells.js';
import {
  layersOf,
  type ModelDescription,
  type ModelDescriptionInput,
  parseDescription,
} from './description.js';
import { FrameIntake } from './frame-intake.js';
import {
  checkPatchOrder,
  type LoadForecasterOptions,
  reorderPatches,
  type Weights,
} from './patch-order.js';
import { kTransforms } from './transform.js';

/** Options of `Forecaster.unroll`. */
export interface UnrollOptions {
  /**
   * Scheduled sampling (Bengio et al. 2015): probability that a step over the target is fed the true frame
   * instead of the model's own forecast, drawn for each sequence and step. Default 0.
   */
  teacherForcing?: number | undefined;
  /** Source of the draws, uniform in [0, 1); default `Math.random`. */
  random?: (() => number) | undefined;
}

/**
 * A model that continues a sequence of frames: patches, recurrent layers, a convolution from the last
 * layer's h to the next frame's patches, an output function. Each forecast is the next input. A
 * `ModelDescription` defines everything but the weights.
 *
 * @example
 * ```ts
 * const model = new Forecaster({ version: 1, patchSize: 4, hiddenDim: [64, 64] });
 * const next = model.forward(frames, 10);   // [B, T, 1, 64, 64] to [B, 10, 1, 64, 64]
 * ```
 */
export class Forecaster extends Module {
  static override readonly keys: Readonly<Record<string, string>> = { cells: 'cell_list' };

  /** Description with defaults filled in. */
  readonly description: ModelDescription;
  /** The recurrent layers, first to last. */
  readonly cells: readonly RecurrentCell[];
  /** Convolution from the last layer's h to the next frame's patches. */
  readonly head: Conv2d;
  /** Private, so that keys are `cell_list.0...` as in the files, without a name before. */
  readonly #layers: RecurrentStack;

  /** @throws ConvLSTMError ERR_OPTION for a malformed description; the message names the field */
  constructor(description: ModelDescriptionInput) {
    super();
    this.description = parseDescription(description);
    const { cell, hiddenDim, headKernelSize } = this.description;
    const layers = layersOf(this.description);
    this.#layers = kCells[cell].build(layers);
    this.cells = this.#layers.cells;
    this.head = new Conv2d({
      inChannels: hiddenDim.at(-1)!,
      outChannels: layers.inputDim,
      kernelSize: headKernelSize,
      padding: (headKernelSize - 1) / 2,
    });
  }

  /**
   * Frames in the model's units by `description.scale` and `transform`: 0..1 for images and scores.
   *
   * @param frames any shape
   * @example
   * ```ts
   * for await (const rain of model.forecast(readFrames('radar/'), 10)) {
   *   using image = model.normalize(rain); // mm/h to 0..1
   * }
   * ```
   */
  normalize(frames: Tensor): Tensor {
    const { scale, transform } = this.description;
    return kTransforms[transform].toModel(frames, scale);
  }

  /**
   * Values in the model's units to those of frames: the inverse of `normalize`.
   *
   * @param values any shape
   * @example
   * ```ts
   * const model = new Forecaster({ version: 1, hiddenDim: [4], scale: 20 });
   * await model.denormalize(Tensor.from([0.5])).toArray(); // [10]
   * ```
   */
  denormalize(values: Tensor): Tensor {
    const { scale, transform } = this.description;
    return kTransforms[transform].toFrames(values, scale);
  }

  /**
   * Sets the weights as `Module.loadStateDict` does. `patchOrder: 'channels-last'` takes those of a model
   * that cuts patches as [ph, pw, C], OpenSTL's say.
   *
   * @throws ConvLSTMError ERR_STATE_DICT with every key that does not fit, ERR_OPTION
   * @example
   * ```ts
   * model.loadStateDict(dict, { gateOrder: 'ifgo', patchOrder: 'channels-last' });
   * ```
   */
  override loadStateDict(dict: Weights, options: LoadForecasterOptions = {}): this {
    const { patchOrder = 'channels-first', ...others } = options;
    const { channels, patchSize } = this.description;
    if (checkPatchOrder(patchOrder) === 'channels-first' || channels === 1 || patchSize === 1) {
      return super.loadStateDict(dict, others);
    }
    const parameters = new Map(this.namedParameters());
    const prefix = others.prefix ?? '';
    const reordered = reorderPatches(dict, parameters, prefix, channels, patchSize ** 2);
    try {
      return super.loadStateDict(reordered.dict, others);
    } finally {
      for (const tensor of reordered.made) tensor.dispose();
    }
  }

  /** Frames [..., C, H, W] to patches in the model's units. */
  #toPatches(frames: Tensor): Tensor {
    using normalized = this.normalize(frames);
    return pixelUnshuffle(normalized, this.description.patchSize);
  }

  #toFrames(patches: Tensor): Tensor {
    using frames = pixelShuffle(patches, this.description.patchSize);
    return this.denormalize(frames);
  }

  /** Patches of the next frame, from the last layer's h. */
  #predict(h: Tensor): Tensor {
    const logits = this.head.forward(h);
    if (this.description.output === 'linear') return logits;
    const patches = logits.sigmoid();
    logits.dispose();
    return patches;
  }

  /**
   * Forecasts the `steps` frames after the last one of `frames`. Outside `noGrad` a model to train saves what
   * `backward()` needs; a model of `loadModel` saves nothing. Missing values are the caller's matter here
   * (`fillMissing`): a NaN spreads over the forecast.
   *
   * @param frames [B, T, C, H, W]; H and W multiples of the patch size (`padFrames`)
   * @returns [B, steps, C, H, W]
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION unless `steps` is a positive integer
   */
  forward(frames: Tensor, steps: number): Tensor {
    checkCount('steps', steps);
    expectTensor('frames', frames);
    const patches = this.#toPatches(frames);
    let { output, states } = this.#layers.forward(patches);
    patches.dispose();
    const forecasts: Tensor[] = [];
    for (;;) {
      output.dispose();
      const forecast = this.#predict(states.at(-1)!.h);
      forecasts.push(forecast);
      const before = states;
      if (forecasts.length < steps) {
        const sequence = forecast.unsqueeze(1);
        ({ output, states } = this.#layers.forward(sequence, before));
        sequence.dispose();
      }
      before.forEach(disposeState);
      if (forecasts.length === steps) break;
    }
    const stacked = Tensor.stack(forecasts, 1);
    for (const forecast of forecasts) forecast.dispose();
    const result = this.#toFrames(stacked);
    stacked.dispose();
    return result;
  }

  /**
   * Forward pass of training: the head's results for every frame but the first, before the output
   * function, in the model's units. The model is fed the true frames of the input, then over the target its
   * own forecasts, or true frames with probability `teacherForcing`. Gradients flow through the forecasts
   * that are fed back.
   *
   * @param input [B, T, C, H, W]
   * @param target [B, T', C, H, W], the frames that follow
   * @returns [B, T - 1 + T', C, H, W]; entry k forecasts frame k + 1 of input and target together
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION for a probability outside 0..1
   * @example
   * ```ts
   * const logits = model.unroll(input, target, { teacherForcing: 0.5 });
   * const loss = bceWithLogitsLoss(logits.slice([0, 9]), target); // the target's frames only
   * ```
   */
  unroll(input: Tensor, target: Tensor, options: UnrollOptions = {}): Tensor {
    checkNames('unroll', options, { teacherForcing: 0, random: Math.random });
    const { teacherForcing = 0, random = Math.random } = options;
    expectTensor('input', input);
    expectTensor('target', target);
    checkFraction('teacherForcing', teacherForcing);
    const [batch, time, ...frame] = target.shape;
    const expected = [input.shape[0], ...input.shape.slice(2)].join();
    if (input.shape.length !== 5 || [batch, ...frame].join() !== expected || !time) {
      const message = `target: expected the sizes of [${input.shape.join(', ')}] except time, got [${target.shape.join(', ')}]`;
      throw new ConvLSTMError('ERR_SHAPE', message);
    }
    // Whether each step over the target is fed the true frame, by step and sequence.
    const coins = Array.from({ length: time - 1 }, () =>
      Array.from({ length: batch! }, () => random() < teacherForcing),
    );
    const forced = coins.findIndex((coin) => !coin.every(Boolean));
    const known = forced < 0 ? time - 1 : forced;
    const after: Tensor[] = [];
    const results: Tensor[] = [];
    const use = (tensor: Tensor) => {
      after.push(tensor);
      return tensor;
    };
    try {
      // The leading true frames run as one sequence.
      const given = known === 0 ? [] : [use(target.slice([null, 0], [null, known]))];
      const seen = known === 0 ? input : use(Tensor.concat([input, ...given], 1));
      let step = this.#layers.forward(use(this.#toPatches(seen)));
      const track = ({ output, states }: typeof step) => {
        for (const tensor of [output, ...states.flatMap(Object.values<Tensor>)]) use(tensor);
      };
      track(step);
      const flat = use(step.output.flatten(0, 1));
      const raw = use(this.head.forward(flat));
      results.push(use(raw.reshape([batch!, seen.shape[1]!, ...raw.shape.slice(1)])));
      for (let t = known; t < time - 1; t++) {
        const last = use(results.at(-1)!.select(1, -1));
        const own = this.description.output === 'sigmoid' ? use(last.sigmoid()) : last;
        const next = this.#mix(own, target, t, coins[t]!, use);
        step = this.#layers.forward(use(next.unsqueeze(1)), step.states);
        track(step);
        const result = use(this.head.forward(step.states.at(-1)!.h));
        results.push(use(result.unsqueeze(1)));
      }
      const stacked = results.length === 1 ? results[0]! : use(Tensor.concat(results, 1));
      return pixelShuffle(stacked, this.description.patchSize);
    } finally {
      for (const tensor of after) tensor.dispose();
    }
  }

  /** The patches fed after step `t` of the target: true ones for sequences whose coin is true. */
  #mix(
    own: Tensor,
    target: Tensor,
    t: number,
    coins: readonly boolean[],
    use: (tensor: Tensor) => Tensor,
  ): Tensor {
    if (!coins.some(Boolean)) return own;
    const truth = use(this.#toPatches(use(target.select(1, t))));
    if (coins.every(Boolean)) return truth;
    const shape = [coins.length, 1, 1, 1];
    const mask = use(Tensor.from(coins.map(Number), shape, { device: target.device }));
    const difference = use(truth.sub(own));
    return use(own.add(use(difference.mul(mask))));
  }

  /**
   * Reads a source of frames to its end, then forecasts the `steps` frames after the last one. Memory does
   * not grow with the number of frames. Sides that the patch size does not divide are padded with 0 at the
   * bottom and right; forecasts have the size of the frames. Missing values (NaN, infinities,
   * `description.missing`) are 0 for the network; a pixel missing in every frame is NaN in the forecasts.
   *
   * @param frames each [B, C, H, W], or [C, H, W] for a batch of one: tensors, or sources that `Tensor.from`
   *   takes
   * @returns frames [B, C, H, W], owned by the caller
   * @throws ConvLSTMError ERR_SHAPE, ERR_DEVICE, ERR_OPTION for a source without frames, or unless `steps` is a
   *   positive integer
   * @example
   * ```ts
   * for await (const frame of model.forecast(readFrames('radar/'), 10)) show(await frame.data());
   * ```
   */
  async *forecast(
    frames: AsyncIterable<Frame> | Iterable<Frame>,
    steps: number,
  ): AsyncGenerator<Tensor, void> {
    checkCount('steps', steps);
    const stream = this.#layers.stream();
    const intake = new FrameIntake(this.description, this.head.weight.device);
    try {
      for await (const h of stream.run(this.#patchesOf(frames, intake))) h.dispose();
      for (const patches of stream.forecast(steps, (h) => this.#predict(h))) {
        using frame = this.#toFrames(patches);
        patches.dispose();
        yield intake.restore(frame);
      }
    } finally {
      stream.dispose();
    }
  }

  async *#patchesOf(
    frames: AsyncIterable<Frame> | Iterable<Frame>,
    intake: FrameIntake,
  ): AsyncGenerator<Tensor, void> {
    for await (const frame of frames) {
      using x = await intake.prepare(frame);
      using patches = this.#toPatches(x);
      yield patches;
    }
  }
}
