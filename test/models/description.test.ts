import { describe, expect, it } from 'vitest';
import { Forecaster, type ModelDescriptionInput, parseDescription } from '../../src/index.js';
import { parameterCount } from '../../src/models/description.js';

const least = { version: 1, hiddenDim: [8] } as const;

describe('parseDescription', () => {
  it('fills in defaults', () => {
    expect(parseDescription({ version: 1, hiddenDim: [8, 4] })).toEqual({
      version: 1,
      hiddenDim: [8, 4],
      kernelSize: [
        [3, 3],
        [3, 3],
      ],
      channels: 1,
      patchSize: 1,
      cell: 'convlstm',
      bias: true,
      peephole: false,
      imageSize: null,
      headKernelSize: 1,
      output: 'sigmoid',
      scale: 1,
      transform: 'none',
      missing: null,
    });
  });

  it('keeps a parsed description as it is', () => {
    const full = parseDescription({
      version: 1,
      hiddenDim: [8, 4],
      kernelSize: [
        [3, 5],
        [1, 1],
      ],
      channels: 3,
      patchSize: 2,
      bias: false,
      peephole: 'spatial',
      imageSize: [8, 6],
      headKernelSize: 5,
      output: 'linear',
      scale: 20,
    });
    expect(parseDescription(JSON.parse(JSON.stringify(full)))).toEqual(full);
  });

  it.each<[unknown, string]>([
    [null, 'description: expected an object, got null'],
    [[], 'description: expected an object, got []'],
    [{ hiddenDim: [8] }, 'version: expected 1, got undefined'],
    [{ version: 2, hiddenDim: [8] }, 'version: expected 1, got 2'],
    [{ version: 1 }, 'hiddenDim: expected a list of positive integers, got undefined'],
    [{ ...least, hiddenDim: 8 }, 'hiddenDim: expected a list of positive integers, got 8'],
    [{ ...least, hiddenDim: [] }, 'hiddenDim: expected a list of positive integers, got []'],
    [
      { ...least, hiddenDim: [8, 0] },
      'hiddenDim: expected a list of positive integers, got [8, 0]',
    ],
    [{ ...least, hidenDim: 3 }, 'hidenDim: expected one of the fields version, hiddenDim, '],
    [
      JSON.parse('{"version":1,"hiddenDim":[8],"__proto__":{"bias":false}}'),
      '__proto__: expected one of the fields',
    ],
    [{ ...least, channels: 0 }, 'channels: expected a positive integer, got 0'],
    [{ ...least, patchSize: 1.5 }, 'patchSize: expected a positive integer, got 1.5'],
    [
      { ...least, kernelSize: 0 },
      'kernelSize: expected a positive integer, or 1 of [height, width], got 0',
    ],
    [
      { ...least, kernelSize: [3] },
      'kernelSize: expected a positive integer, or 1 of [height, width], got [3]',
    ],
    [
      {
        ...least,
        kernelSize: [
          [3, 3],
          [3, 3],
        ],
      },
      'kernelSize: expected a positive integer, or 1 of',
    ],
    [{ ...least, bias: 1 }, 'bias: expected true or false, got 1'],
    [{ ...least, peephole: true }, "peephole: expected false, 'channel' or 'spatial', got true"],
    [
      { ...least, imageSize: [8, 8] },
      "imageSize: expected null without peephole 'spatial', got [8, 8]",
    ],
    [
      { ...least, peephole: 'spatial' },
      'imageSize: expected [height, width], multiples of patchSize 1, got null',
    ],
    [
      { ...least, peephole: 'spatial', patchSize: 4, imageSize: [8, 6] },
      'imageSize: expected [height, width], multiples of patchSize 4, got [8, 6]',
    ],
    [{ ...least, headKernelSize: 2 }, 'headKernelSize: expected an odd number, got 2'],
    [{ ...least, output: 'relu' }, "output: expected 'sigmoid' or 'linear', got 'relu'"],
    [{ ...least, scale: 0 }, 'scale: expected a number above 0, got 0'],
    [
      { ...least, transform: 'cube' },
      "transform: expected 'none', 'sqrt', 'log' or 'dbz', got 'cube'",
    ],
    [
      { ...least, transform: 'dbz', scale: 0.01 },
      "scale: expected a number above 0.0365 with transform 'dbz', got 0.01",
    ],
    [{ ...least, missing: '-9999' }, "missing: expected a number or null, got '-9999'"],
    [{ ...least, scale: '2' }, "scale: expected a number above 0, got '2'"],
  ])('refuses %j', (value, message) => {
    expect(() => parseDescription(value)).toThrow(message);
    expect(() => parseDescription(value)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });
});

it.each<ModelDescriptionInput>([
  { version: 1, hiddenDim: [5] },
  {
    version: 1,
    hiddenDim: [5, 3],
    kernelSize: [
      [3, 5],
      [1, 3],
    ],
    bias: false,
    channels: 2,
    patchSize: 2,
  },
  { version: 1, hiddenDim: [4, 4], peephole: 'channel', headKernelSize: 3 },
  { version: 1, hiddenDim: [4], peephole: 'spatial', imageSize: [8, 12], patchSize: 4 },
])('parameterCount counts the parameters of the model %j', (description) => {
  using model = new Forecaster(description);
  const sizes = model.parameters().map(({ size }) => size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  expect(parameterCount(model.description)).toBe(total);
});
