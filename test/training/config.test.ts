import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseTrainConfig } from '../../src/index.js';
import { trainSchema } from '../../src/training/config.js';
import type { JsonSchema } from '../../src/training/fields.js';
import { expectError } from '../support/errors.js';

const model = { version: 1, hiddenDim: [4] };
const least = { version: 1, model, data: { kind: 'moving-mnist' } };

describe('parseTrainConfig', () => {
  it('fills in the defaults', () => {
    const config = parseTrainConfig(least);
    expect(config.model.kernelSize).toEqual([[3, 3]]);
    expect(config.data).toMatchObject({ kind: 'moving-mnist', inputLength: 10, speed: [3, 5] });
    expect(config.optimizer).toEqual({
      kind: 'adam',
      lr: 1e-3,
      beta1: 0.9,
      beta2: 0.999,
      weightDecay: 0,
    });
    expect(config.schedule).toEqual({ kind: 'constant' });
    expect(config).toMatchObject({ loss: 'mse', batchSize: 16, patience: null });
    expect(config.teacherForcing).toEqual({ from: 0, to: 0, steps: null });
  });

  it('keeps a parsed configuration as it is', () => {
    const config = parseTrainConfig({
      $schema: 'node_modules/convlstm/schemas/train.schema.json',
      ...least,
      data: { kind: 'frames', inputLength: 3, crop: [64, 32], flip: 'both' },
      loss: 'huber',
      optimizer: { kind: 'sgd', lr: 0.5, nesterov: true },
      schedule: { kind: 'cosine', warmup: 100 },
      teacherForcing: { from: 1, steps: 500 },
      patience: 3,
    });
    expect(config.data).toMatchObject({ inputLength: 3, targetLength: 10, crop: [64, 32] });
    expect(config.optimizer).toMatchObject({ lr: 0.5, momentum: 0.9, nesterov: true });
    expect(config.schedule).toEqual({ kind: 'cosine', warmup: 100, floor: 0 });
    expect(config.teacherForcing).toEqual({ from: 1, to: 0, steps: 500 });
    expect(config).not.toHaveProperty('$schema');
    expect(parseTrainConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it.each<[unknown, string]>([
    [[], 'the configuration: expected an object, got []'],
    [null, 'the configuration: expected an object, got null'],
    [{ ...least, version: 2 }, 'version: expected 1, got 2'],
    [{ version: 1, data: least.data }, 'model: expected an object, got undefined'],
    [{ ...least, model: 3 }, 'model: expected an object, got 3'],
    [
      { ...least, model: { version: 1, hiddenDim: [0] } },
      'model.hiddenDim: expected a list of positive integers, got [0]',
    ],
    [{ version: 1, model }, 'data: expected an object, got undefined'],
    [
      { ...least, data: { kind: 'videos' } },
      "data.kind: expected 'moving-mnist' or 'frames', got 'videos'",
    ],
    [
      { ...least, data: { kind: 'frames', speed: [1, 2] } },
      'data.speed: expected one of the fields inputLength, targetLength, stride, timePattern, step, layout, crop, flip, kind, got [1, 2]',
    ],
    [
      { ...least, data: { kind: 'moving-mnist', speed: [3] } },
      'data.speed: expected [slowest, fastest], got [3]',
    ],
    [
      { ...least, data: { kind: 'frames', crop: 64 } },
      'data.crop: expected [height, width] or null, got 64',
    ],
    [
      { ...least, optimizer: { kind: 'adam', lr: 0 } },
      'optimizer.lr: expected a number above 0, got 0',
    ],
    [
      { ...least, optimizer: { kind: 'adam', beta1: 1.5 } },
      'optimizer.beta1: expected a number of at least 0 and below 1, got 1.5',
    ],
    [
      { ...least, optimizer: { kind: 'sgd', momentum: 0, nesterov: true } },
      'optimizer.nesterov: expected false without momentum, got true',
    ],
    [
      { ...least, schedule: { kind: 'plateau', factor: 1 } },
      'schedule.factor: expected a number above 0 and below 1, got 1',
    ],
    [
      { ...least, data: { kind: 'moving-mnist', speed: [5, 3] } },
      'data.speed: expected [slowest, fastest] from 0 to data.size, 64, got [5, 3]',
    ],
    [{ ...least, optimizer: 'adam' }, "optimizer: expected an object, got 'adam'"],
    [
      { ...least, schedule: { kind: 'step' } },
      'schedule.every: expected a positive integer, got undefined',
    ],
    [{ ...least, batchSize: '16' }, "batchSize: expected a positive integer, got '16'"],
    [{ ...least, patience: 0 }, 'patience: expected a positive integer or null, got 0'],
    [{ ...least, workers: -1 }, 'workers: expected an integer of at least 0, got -1'],
    [
      { ...least, precision: 'low' },
      "precision: expected 'highest', 'high' or 'medium', got 'low'",
    ],
    [
      { ...least, loss: 'bce', model: { ...model, output: 'linear' } },
      "loss: expected 'bce' with model.output 'sigmoid' only, got 'linear'",
    ],
  ])('names the field of %j', (value, message) => {
    expectError(() => parseTrainConfig(value), 'ERR_OPTION', message);
  });

  it('names an unknown field', () => {
    expectError(
      () => parseTrainConfig({ ...least, learningRate: 0.1 }),
      'ERR_OPTION',
      'learningRate: expected one of the fields version, model, data,',
    );
  });
});

/** Validates the subset of JSON Schema that our schema uses. */
function fits(schema: JsonSchema, value: unknown): boolean {
  const {
    type,
    properties = {},
    required = [],
    oneOf,
    items,
    additionalProperties,
  } = schema as {
    type?: string | string[];
    properties?: Record<string, JsonSchema>;
    required?: string[];
    oneOf?: JsonSchema[];
    items?: JsonSchema;
    additionalProperties?: boolean;
  };
  if (oneOf && oneOf.filter((option) => fits(option, value)).length !== 1) return false;
  if ('const' in schema && schema['const'] !== value) return false;
  if ('enum' in schema && !(schema['enum'] as unknown[]).includes(value)) return false;
  const kinds = type === undefined ? [] : [type].flat();
  const kindOf = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const isKind = (kind: string) =>
    kind === kindOf || (kind === 'integer' && Number.isInteger(value));
  if (kinds.length > 0 && !kinds.some(isKind)) return false;
  if (typeof value === 'number') {
    const {
      minimum = -Infinity,
      maximum = Infinity,
      exclusiveMinimum = -Infinity,
      exclusiveMaximum = Infinity,
    } = schema as Record<string, number>;
    return (
      value >= minimum && value <= maximum && value > exclusiveMinimum && value < exclusiveMaximum
    );
  }
  if (Array.isArray(value)) {
    const { minItems = 0, maxItems = Infinity } = schema as Record<string, number>;
    const count = value.length >= minItems && value.length <= maxItems;
    return count && (!items || value.every((entry) => fits(items, entry)));
  }
  if (typeof value !== 'object' || value === null) return true;
  const entries = Object.entries(value);
  return (
    required.every((name) => name in value) &&
    entries.every(([name, entry]) =>
      name in properties ? fits(properties[name]!, entry) : additionalProperties !== false,
    )
  );
}

describe('the JSON schema', () => {
  const schema = trainSchema();

  it('and the checks accept the configuration of the examples', () => {
    const file = new URL('../../examples/moving-mnist/train.json', import.meta.url);
    const example = JSON.parse(readFileSync(file, 'utf8'));
    expect(parseTrainConfig(example).model.hiddenDim).toEqual([64, 64]);
    expect(fits(schema, example)).toBe(true);
  });

  it('equals the shipped one (npm run schema)', () => {
    const file = new URL('../../schemas/train.schema.json', import.meta.url);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(schema);
  });

  it('accepts and refuses the same as the checks', () => {
    const good = [
      least,
      parseTrainConfig(least),
      { ...least, data: { kind: 'frames', crop: null, flip: 'vertical' } },
      { ...least, optimizer: { kind: 'rmsprop', alpha: 0.5 }, schedule: { kind: 'plateau' } },
      { ...least, teacherForcing: { steps: null }, validateEvery: 3 },
    ];
    const bad = [
      { ...least, version: 2 },
      { ...least, epochs: 0.5 },
      { ...least, data: { kind: 'frames', speed: [1, 2] } },
      { ...least, data: {} },
      { ...least, model: { version: 1 } },
      { ...least, model: { ...model, hidden: 3 } },
      { ...least, optimizer: { kind: 'adam', lr: 0 } },
      { ...least, optimizer: { kind: 'adamw', beta2: 1 } },
      { ...least, schedule: { kind: 'step' } },
      { ...least, learningRate: 1 },
      { ...least, patience: '3' },
    ];
    for (const value of good) {
      expect(() => parseTrainConfig(value)).not.toThrow();
      expect([value, fits(schema, value)]).toEqual([value, true]);
    }
    for (const value of bad) {
      expect(() => parseTrainConfig(value)).toThrow();
      expect([value, fits(schema, value)]).toEqual([value, false]);
    }
  });
});
