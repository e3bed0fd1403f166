import type { Pair } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { checkLayout } from '../io/frame-layout.js';
import { compileTimePattern } from '../io/time-pattern.js';
import { kCells } from '../models/cells.js';
import { type ModelDescription, parseDescription } from '../models/description.js';
import { kTransformNames } from '../models/transform.js';
import { refuseOption } from '../options.js';
import { kPrecisions } from '../precision.js';
import {
  choice,
  count,
  countOrNull,
  type Field,
  flag,
  type JsonSchema,
  natural,
  number,
  numberOrNull,
  numberOrWord,
  object,
  pair,
  positiveOrNull,
  sizeOrNull,
  textOrNull,
  type ValueOf,
  variants,
} from './fields.js';
import { kLossNames, lossNamed } from './losses.js';
import { kOptimizers } from './optimizers.js';
import { kSchedules } from './schedules.js';

const size = { type: 'integer', minimum: 1 };
const pairs = { type: 'array', items: size, minItems: 2, maxItems: 2 };

/** `ModelDescription` has a checker of its own. */
const model: Field<ModelDescription> = {
  schema: {
    description: 'The model, as in the description of a convlstm weights file',
    type: 'object',
    properties: {
      version: { const: 1 },
      channels: { description: 'Channels of a frame', ...size, default: 1 },
      patchSize: {
        description: 'Side in pixels of the square patches that become channels',
        ...size,
        default: 1,
      },
      cell: { description: 'Kind of the layers', enum: Object.keys(kCells), default: 'convlstm' },
      hiddenDim: { description: 'Channels of each layer', type: 'array', items: size, minItems: 1 },
      kernelSize: {
        description: 'One number for all layers, or [height, width] per layer',
        oneOf: [size, { type: 'array', items: pairs }],
        default: 3,
      },
      bias: { type: 'boolean', default: true },
      peephole: { enum: [false, 'channel', 'spatial'], default: false },
      imageSize: {
        description: "[height, width] of a frame, for peephole 'spatial' only",
        oneOf: [pairs, { type: 'null' }],
      },
      headKernelSize: { description: "Side of the head's square kernel, odd", ...size, default: 1 },
      output: { enum: ['sigmoid', 'linear'], default: 'sigmoid' },
      scale: {
        description: 'Frame value that the model sees as 1',
        type: 'number',
        exclusiveMinimum: 0,
        default: 1,
      },
      transform: {
        description:
          "Frame values x to the model's: 'none' x / scale; 'sqrt' sqrt(x / scale); 'log' log(1 + x) / " +
          "log(1 + scale); 'dbz' reflectivity of rain in mm/h over that of the scale",
        enum: kTransformNames,
        default: 'none',
      },
      missing: {
        description: 'Frame value that means missing; null: NaN and infinities alone',
        type: ['number', 'null'],
        default: null,
      },
    },
    required: ['version', 'hiddenDim'],
    additionalProperties: false,
  },
  optional: false,
  parse(path, value) {
    try {
      return parseDescription(value);
    } catch (error) {
      if (!(error instanceof ConvLSTMError)) throw error;
      const message = error.message.startsWith('description:')
        ? error.message.replace('description', path)
        : `${path}.${error.message}`;
      throw new ConvLSTMError(error.code, message, { cause: error });
    }
  },
};

const lengths = {
  inputLength: count({ description: 'Frames of input', default: 10 }),
  targetLength: count({ description: 'Frames to forecast', default: 10 }),
};

const data = variants(
  {
    'moving-mnist': {
      fields: {
        ...lengths,
        length: count({
          description: 'Sequences per epoch, all different',
          default: 10_000,
        }),
        validationLength: count({ description: 'Sequences for validation', default: 500 }),
        size: count({ description: 'Height and width of a frame', default: 64 }),
        numDigits: count({ description: 'Digits per sequence', default: 2 }),
        speed: pair({
          description: 'Slowest and fastest speed in pixels per frame',
          names: 'slowest, fastest',
          default: [3, 5],
        }),
        bounce: flag({ description: 'Whether digits bounce off the walls', default: true }),
      },
      check(path: string, { size, speed }: { size: number; speed: Pair }) {
        const [slowest, fastest] = speed;
        if (slowest > fastest || fastest > size) {
          const expected = `[slowest, fastest] from 0 to data.size, ${size}`;
          refuseOption(`${path}.speed`, expected, speed);
        }
      },
    },
    frames: {
      fields: {
        ...lengths,
        stride: count({ description: 'Frames between the starts of two windows', default: 1 }),
        timePattern: textOrNull(
          {
            description:
              'Where file names have their times in UTC: radar_{yyyy}{MM}{dd}_{HH}{mm}; null for times ' +
              'that are unmistakable, or none',
            default: null,
          },
          compileTimePattern,
        ),
        step: positiveOrNull({
          description:
            'Minutes from a frame to the next where times are known: no window crosses a gap; null for ' +
            'the commonest step',
          default: null,
        }),
        layout: textOrNull(
          {
            description:
              "Axes of .npy arrays, such as 'TNHW' for N sequences of T frames; null for HW, THW, TCHW " +
              'or NTCHW by the number of axes',
            default: null,
          },
          checkLayout,
        ),
        crop: sizeOrNull({
          description: '[height, width] of a crop: random for training, centred otherwise',
          default: null,
        }),
        flip: choice(['none', 'horizontal', 'vertical', 'both'], {
          description: 'Axes along which training windows are mirrored at random',
          default: 'none',
        }),
      },
    },
  },
  {
    description:
      "The data in the folder of --data. 'moving-mnist': MNIST's image files. 'frames': the folders " +
      'train, validation and test, or frames and folders of frames alone, each a sequence of its own.',
  },
);

const optimizer = variants(kOptimizers, { description: 'The optimizer', default: 'adam' });

const schedule = variants(kSchedules, {
  description: "Course of the learning rate from optimizer.lr, which is the peak of 'one-cycle'",
  default: 'constant',
});

const fields = {
  version: choiceOfVersion(),
  model,
  data,
  loss: choice(kLossNames, {
    description: kLossNames.flatMap((name) => lossNamed(name).note ?? []).join('; '),
    default: 'mse',
  }),
  lossFrames: choice(['all', 'targets'], {
    description: 'Whether forecasts of the input frames count in the loss too',
    default: 'all',
  }),
  optimizer,
  schedule,
  initialization: object(
    {
      kind: choice(['uniform', 'xavier', 'kaiming', 'orthogonal'], {
        description:
          "Distribution of the convolutions' weights, drawn per gate; 'uniform' is PyTorch's default",
        default: 'xavier',
      }),
      gain: number({
        description: 'Factor on the weights of the recurrent layers, not on those of the head',
        above: 0,
        default: 1,
      }),
      forgetBias: numberOrNull({
        description: 'Bias of the forget gates; null for random values',
        default: 1,
      }),
      headBias: numberOrWord('data', {
        description:
          "Bias of the head; 'data': the first forecasts have the mean of the training data; null for random values",
        default: 'data',
      }),
    },
    'Initial weights',
  ),
  epochs: count({ description: 'Passes over the data', default: 10 }),
  batchSize: count({ description: 'Sequences per batch', default: 16 }),
  accumulate: count({ description: 'Batches per optimizer step', default: 1 }),
  clipNorm: number({
    description: 'Largest norm of all gradients together; 0 for no limit',
    least: 0,
    default: 0,
  }),
  teacherForcing: object(
    {
      from: number({ description: 'Probability at the first step', least: 0, most: 1, default: 0 }),
      to: number({
        description: 'Probability from step `steps` on',
        least: 0,
        most: 1,
        default: 0,
      }),
      steps: countOrNull({
        description: 'Steps from the first probability to the last; null for the whole run',
        default: null,
      }),
    },
    'Scheduled sampling: probability that the model is fed the true frame instead of its own forecast',
  ),
  precision: choice(kPrecisions, {
    description: 'Precision of the convolutions',
    default: 'highest',
  }),
  seed: natural({
    description: 'Seed of weights, order and data augmentation',
    default: 0,
  }),
  workers: natural({ description: 'Threads that prepare samples', default: 1 }),
  reportEvery: count({ description: 'Steps between two reports', default: 10 }),
  checkpointEvery: count({ description: 'Steps between two checkpoints', default: 200 }),
  validateEvery: countOrNull({
    description: 'Steps between two validations; null for one at the end of each epoch',
    default: null,
  }),
  patience: countOrNull({
    description: 'Validations without improvement before training ends; null for no early stopping',
    default: null,
  }),
};

function choiceOfVersion(): Field<1> {
  return {
    schema: { description: 'Version of this format', const: 1 },
    optional: false,
    parse: (path, value) => {
      return value === 1 ? value : refuseOption(path, '1', value);
    },
  };
}

const config = object(fields, 'A training run of `convlstm train`');

/**
 * Configuration of `convlstm train`, with all defaults filled in. `schemas/train.schema.json` of this
 * package documents each field.
 */
export type TrainConfig = ValueOf<typeof config>;

/**
 * Checks a configuration of `convlstm train` and fills in its defaults.
 *
 * @throws ConvLSTMError ERR_OPTION that names the field, what was expected and what was given
 * @example
 * ```ts
 * const config = parseTrainConfig(JSON.parse(await readFile('model.json', 'utf8')));
 * config.optimizer.lr; // 0.001 where the file does not say
 * ```
 */
export function parseTrainConfig(value: unknown): TrainConfig {
  // `$schema` is for editors.
  const { $schema: _, ...given } = (value ?? {}) as Record<string, unknown>;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const parsed = config.parse('', isObject ? given : value);
  checkTogether(parsed);
  return parsed;
}

/** Refuses fields that contradict each other. */
function checkTogether({ loss, model }: TrainConfig): void {
  if (lossNamed(loss).ofLogits && model.output !== 'sigmoid') {
    refuseOption('loss', `'${loss}' with model.output 'sigmoid' only`, model.output);
  }
}

/** The JSON Schema of the configuration, as `schemas/train.schema.json` has it. @internal */
export function trainSchema(): JsonSchema {
  const { properties, ...others } = config.schema;
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'convlstm train',
    ...others,
    properties: { $schema: { type: 'string' }, ...(properties as object) },
  };
}
