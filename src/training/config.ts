import type { Pair } from '../../binding.js';
import { ConvLSTMError } from '../errors.js';
import { kCells } from '../models/cells.js';
import { type ModelDescription, parseDescription } from '../models/description.js';
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
  object,
  pair,
  sizeOrNull,
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
    description: 'The model: what convlstm weights files carry as their description.',
    type: 'object',
    properties: {
      version: { const: 1 },
      channels: { description: 'Of a frame', ...size, default: 1 },
      patchSize: { description: 'Side of the patches that become channels', ...size, default: 1 },
      cell: { description: 'Kind of the layers', enum: Object.keys(kCells), default: 'convlstm' },
      hiddenDim: { description: 'Channels of each layer', type: 'array', items: size, minItems: 1 },
      kernelSize: {
        description: 'A number for all layers, or [height, width] for each',
        oneOf: [size, { type: 'array', items: pairs }],
        default: 3,
      },
      bias: { type: 'boolean', default: true },
      peephole: { enum: [false, 'channel', 'spatial'], default: false },
      imageSize: { description: "With peephole 'spatial'", oneOf: [pairs, { type: 'null' }] },
      headKernelSize: { description: 'Odd', ...size, default: 1 },
      output: { enum: ['sigmoid', 'linear'], default: 'sigmoid' },
      scale: {
        description: 'The frame value that is 1 inside the model',
        type: 'number',
        exclusiveMinimum: 0,
        default: 1,
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
  inputLength: count({ description: 'Frames that are seen', default: 10 }),
  targetLength: count({ description: 'Frames to forecast', default: 10 }),
};

const data = variants(
  {
    'moving-mnist': {
      fields: {
        ...lengths,
        length: count({
          description: 'Sequences in an epoch, none of them twice',
          default: 10_000,
        }),
        validationLength: count({ description: 'Sequences to validate with', default: 500 }),
        size: count({ description: 'Height and width of a frame', default: 64 }),
        numDigits: count({ description: 'Digits in a sequence', default: 2 }),
        speed: pair({
          description: 'Slowest and fastest speed in pixels a frame',
          names: 'slowest, fastest',
          default: [3, 5],
        }),
        bounce: flag({ description: 'Whether digits turn at the walls', default: true }),
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
        stride: count({ description: 'Frames from one window to the next', default: 1 }),
        crop: sizeOrNull({
          description: 'Height and width to cut out: anywhere for training, the middle otherwise',
          default: null,
        }),
        flip: choice(['none', 'horizontal', 'vertical', 'both'], {
          description: 'Axes along which training windows are mirrored by chance',
          default: 'none',
        }),
      },
    },
  },
  {
    description:
      "What --data names: for 'moving-mnist' a folder of MNIST's image files; for 'frames' one with " +
      'the folders train, validation and test, or with nothing but frames and folders of frames.',
  },
);

const optimizer = variants(kOptimizers, { description: 'The optimizer', default: 'adam' });

const schedule = variants(kSchedules, {
  description: "How the learning rate goes on from optimizer.lr, which is 'one-cycle's highest",
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
    description: 'Whether the loss is also of the forecasts of frames that are seen',
    default: 'all',
  }),
  optimizer,
  schedule,
  initialization: object(
    {
      kind: choice(['uniform', 'xavier', 'kaiming', 'orthogonal'], {
        description: "Of the convolutions, gate by gate; 'uniform' is PyTorch's default",
        default: 'xavier',
      }),
      gain: number({
        description: 'What the weights of the layers, not those of the head, are multiplied by',
        above: 0,
        default: 1,
      }),
      forgetBias: numberOrNull({
        description: 'Bias of the forget gates; null for a random one',
        default: 1,
      }),
      headBias: numberOrNull({ description: 'Of the head; null for a random one', default: null }),
    },
    'The weights before the first step',
  ),
  epochs: count({ description: 'Passes over the data', default: 10 }),
  batchSize: count({ description: 'Sequences in a batch', default: 16 }),
  accumulate: count({ description: 'Batches to a step of the optimizer', default: 1 }),
  clipNorm: number({
    description: 'Largest norm of the gradients; 0 for any',
    least: 0,
    default: 0,
  }),
  teacherForcing: object(
    {
      from: number({ description: 'At the first step', least: 0, most: 1, default: 0 }),
      to: number({ description: 'From step `steps` on', least: 0, most: 1, default: 0 }),
      steps: countOrNull({ description: 'Steps in between; null for all', default: null }),
    },
    'Scheduled sampling: the probability that a true frame is fed in the place of a forecast one',
  ),
  precision: choice(kPrecisions, {
    description: 'Of the convolutions',
    default: 'highest',
  }),
  seed: natural({
    description: 'Decides weights, order and what is random in the data',
    default: 0,
  }),
  workers: natural({ description: 'Threads that make samples', default: 1 }),
  reportEvery: count({ description: 'Steps between two reports', default: 10 }),
  checkpointEvery: count({ description: 'Steps between two checkpoints', default: 200 }),
  validateEvery: countOrNull({
    description: 'Steps between two validations; null for the end of an epoch',
    default: null,
  }),
  patience: countOrNull({
    description: 'Validations without a better one after which training ends; null for never',
    default: null,
  }),
};

function choiceOfVersion(): Field<1> {
  return {
    schema: { description: 'Of this format', const: 1 },
    optional: false,
    parse: (path, value) => {
      return value === 1 ? value : refuseOption(path, '1', value);
    },
  };
}

const config = object(fields, 'A training run of `convlstm train`');

/**
 * What `convlstm train` is told in its configuration file, with all defaults filled in:
 * `schemas/train.schema.json` of this package says of each field what it means and may be.
 */
export type TrainConfig = ValueOf<typeof config>;

/**
 * Checks a configuration of `convlstm train` and fills in its defaults.
 *
 * @throws ConvLSTMError ERR_OPTION that names the field, what it may be and what it was
 * @example
 * ```ts
 * const config = parseTrainConfig(JSON.parse(await readFile('model.json', 'utf8')));
 * config.optimizer.lr; // 0.001 where the file does not say
 * ```
 */
export function parseTrainConfig(value: unknown): TrainConfig {
  // A file may name its schema, for editors.
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
