import { describe, expect, it } from 'vitest';
import { functional, Tensor } from '../../src/index.js';
import { devices } from '../support/devices.js';
import { expectError } from '../support/errors.js';

const { conv2d, convLstm, pixelShuffle, pixelUnshuffle } = functional;

describe.each(devices)('convolution on %s', (device) => {
  const zeros = (...shape: number[]) => Tensor.zeros(shape, { device });

  it('conv2d checks its arguments', () => {
    const x = zeros(1, 3, 8, 8);
    const weight = zeros(4, 3, 3, 3);
    const refused = (parts: string[], ...args: Parameters<typeof conv2d>) =>
      expectError(() => conv2d(...args), 'ERR_SHAPE', ...parts);
    refused(['input: expected [B, 3, H, W], got [1, 4, 8, 8]'], zeros(1, 4, 8, 8), weight);
    refused(['input', '[3, 8, 8]'], zeros(3, 8, 8), weight);
    refused(['weight: expected [Cout, Cin, kh, kw], got [4, 3, 3]'], x, zeros(4, 3, 3));
    refused(['bias: expected [4], got [3]'], x, weight, zeros(3));
    refused(['smaller than the kernel', '[1, 3, 2, 8]'], zeros(1, 3, 2, 8), weight);
    expectError(() => conv2d(x, weight, null, { stride: 0 }), 'ERR_OPTION', 'stride', 'got 0');
    expectError(
      () => conv2d(x, weight, null, { padding: [1, -1] }),
      'ERR_OPTION',
      'padding',
      '[1, -1]',
    );
    expect(conv2d(zeros(0, 3, 8, 8), weight).shape).toEqual([0, 4, 6, 6]);
  });

  it('convLstm checks its arguments', () => {
    const x = zeros(2, 1, 3, 5, 4); // T, B
    const weight = zeros(8, 5, 3, 3);
    const state = zeros(1, 2, 5, 4);
    const refused = (part: string, ...args: Parameters<typeof convLstm>) =>
      expectError(() => convLstm(...args), 'ERR_SHAPE', part);
    refused(
      'input: expected [T, B, 3, H, W], got [2, 1, 4, 5, 4]',
      zeros(2, 1, 4, 5, 4),
      null,
      null,
      weight,
    );
    refused('input: expected [B, T, 3, H, W]', zeros(3, 5, 4), null, null, weight, null, {
      batchFirst: true,
    });
    refused('input', zeros(0, 1, 3, 5, 4), null, null, weight);
    refused(
      'weight: expected [4 * hidden, input + hidden, kh, kw], got [6, 5, 3, 3]',
      x,
      null,
      null,
      zeros(6, 5, 3, 3),
    );
    refused('weight', x, null, null, zeros(8, 2, 3, 3));
    refused('h0: expected [1, 2, 5, 4], got [2, 2, 5, 4]', x, zeros(2, 2, 5, 4), state, weight);
    refused('c0: expected [1, 2, 5, 4], got [1, 2, 4, 5]', x, state, zeros(1, 2, 4, 5), weight);
    refused('bias: expected [8], got [4]', x, null, null, weight, zeros(4));
    const [wci, wcf, wco] = [zeros(1, 2, 1, 1), zeros(1, 2, 1, 1), zeros(1, 2, 5, 4)];
    refused('wco: expected [1, 2, 1, 1], got [1, 2, 5, 4]', x, null, null, weight, null, {
      peephole: { wci, wcf, wco },
    });
    refused('wci: expected [1, 2, 5, 4], got [1, 2, 4, 4]', x, null, null, weight, null, {
      peephole: { wci: zeros(1, 2, 4, 4), wcf: wco, wco },
    });
  });

  it('an even kernel has one more zero of padding below and to the right', () => {
    // The weights copy the last tap: the output is the input, shifted up and left by one.
    const weight = new Float32Array(4 * 2 * 2 * 2);
    weight[3 * 8 + 3] = 1; // gate g, input channel, tap (1, 1)
    const x = Tensor.from(
      [
        [
          [
            [
              [1, 2],
              [3, 4],
            ],
          ],
        ],
      ],
      undefined,
      { device },
    );
    const { c } = convLstm(x, null, null, Tensor.from(weight, [4, 2, 2, 2], { device }));
    const expected = [4, 0, 0, 0].map((value) => Math.tanh(value) / 2);
    for (const [k, value] of c.dataSync().entries()) expect(value).toBeCloseTo(expected[k]!, 6);
  });

  it('pixelUnshuffle moves patches to channels, pixelShuffle moves them back', () => {
    const x = Tensor.from(
      [
        [
          [0, 1, 2, 3],
          [4, 5, 6, 7],
        ],
      ],
      undefined,
      { device },
    );
    const patches = pixelUnshuffle(x, 2);
    expect(patches.toArraySync()).toEqual([[[0, 2]], [[1, 3]], [[4, 6]], [[5, 7]]]);
    expect(pixelShuffle(patches, 2).toArraySync()).toEqual(x.toArraySync());
    expectError(() => pixelShuffle(x, 2), 'ERR_SHAPE', 'multiple of 4', '[1, 2, 4]');
    expectError(() => pixelUnshuffle(x, 3), 'ERR_SHAPE', 'multiple of 3');
    expectError(() => pixelShuffle(zeros(4, 4), 1), 'ERR_SHAPE', '[4, 4]');
    expectError(() => pixelShuffle(x, 0), 'ERR_OPTION', 'got 0');
  });
});
