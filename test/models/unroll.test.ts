import { afterAll, describe, expect, it } from 'vitest';
import { Forecaster, manualSeed, mseLoss, noGrad, Tensor } from '../../src/index.js';
import { expectError } from '../support/errors.js';
import { expectClose } from '../support/numbers.js';

manualSeed(21);
const model = new Forecaster({ version: 1, patchSize: 2, hiddenDim: [6, 5], scale: 4 });
const input = Tensor.rand([3, 4, 1, 6, 8]).mul(4);
const target = Tensor.rand([3, 3, 1, 6, 8]).mul(4);
const both = Tensor.concat([input, target], 1);
afterAll(() => model.dispose());

const frames = (logits: Tensor) => logits.sigmoid().mul(4);
const part = (x: Tensor, begin: number, end: number) => x.slice([null, begin], [null, end]);
const unroll = (options = {}) => noGrad(() => model.unroll(input, target, options));
const forecast = (x: Tensor, steps: number) => noGrad(() => model.forward(x, steps));

describe('Forecaster.unroll', () => {
  it('forecasts the target as forward does, and every input frame but the first', async () => {
    const logits = unroll();
    expect(logits.shape).toEqual([3, 6, 1, 6, 8]);
    const own = forecast(input, 3);
    expectClose(await frames(part(logits, 3, 6)).data(), await own.data(), 1e-5);
    for (const seen of [1, 2, 3]) {
      const next = forecast(part(input, 0, seen), 1);
      expectClose(await frames(part(logits, seen - 1, seen)).data(), await next.data(), 1e-5);
    }
  });

  it('feeds every true frame with teacherForcing 1', async () => {
    const logits = unroll({ teacherForcing: 1 });
    for (const seen of [4, 5, 6]) {
      const next = forecast(part(both, 0, seen), 1);
      expectClose(await frames(part(logits, seen - 1, seen)).data(), await next.data(), 1e-5);
    }
  });

  it('draws the frame to feed per sequence and step', async () => {
    // 2 steps, 3 sequences: true frames for sequence 1 at the first step, for 0 and 2 at the second.
    const coins = [0.9, 0.1, 0.9, 0.1, 0.9, 0.1];
    const draws = [...coins];
    const logits = unroll({ teacherForcing: 0.5, random: () => draws.shift()! });
    expect(draws).toEqual([]);
    for (const n of [0, 1, 2]) {
      const seen: Tensor[] = [input.slice([n], [n + 1])];
      for (const t of [0, 1]) {
        const truth = target.slice([n, t], [n + 1, t + 1]);
        const own = forecast(Tensor.concat(seen, 1), 1);
        seen.push(coins[3 * t + n]! < 0.5 ? truth : own);
      }
      const last = forecast(Tensor.concat(seen, 1), 1);
      const got = frames(logits.slice([n, 5], [n + 1, 6]));
      expectClose(await got.data(), await last.data(), 1e-5);
    }
  });

  it('runs the leading true frames as one sequence', async () => {
    const draws = [0, 0, 0, 1, 1, 1];
    const logits = unroll({ teacherForcing: 0.5, random: () => draws.shift()! });
    const [taught, own] = [unroll({ teacherForcing: 1 }), unroll()];
    expectClose(await part(logits, 3, 5).data(), await part(taught, 3, 5).data(), 1e-5);
    const last = forecast(part(both, 0, 5), 2).slice([null, 1]);
    expectClose(await frames(part(logits, 5, 6)).data(), await last.data(), 1e-5);
    expect(await part(logits, 5, 6).data()).not.toEqual(await part(own, 5, 6).data());
  });

  it('forecasts a single frame', async () => {
    const one = part(target, 0, 1);
    const logits = noGrad(() => model.unroll(input, one));
    expect(logits.shape).toEqual([3, 4, 1, 6, 8]);
    expectClose(await frames(part(logits, 3, 4)).data(), await forecast(input, 1).data(), 1e-5);
  });

  it('refuses what does not fit', () => {
    expectError(() => unroll({ teacherForcing: 1.5 }), 'ERR_OPTION', 'teacherForcing');
    expectError(() => unroll({ forcing: 1 }), 'ERR_OPTION', "no option 'forcing'");
    expectError(
      () => model.unroll(input, Tensor.ones([3, 2, 1, 6, 6])),
      'ERR_SHAPE',
      '[3, 4, 1, 6, 8]',
      '[3, 2, 1, 6, 6]',
    );
    expectError(() => model.unroll(input, Tensor.ones([2, 2, 1, 6, 8])), 'ERR_SHAPE', 'target');
  });
});

describe('gradients of unroll', () => {
  it.each([0, 0.5, 1])(
    'agree with finite differences, teacherForcing %d',
    async (teacherForcing) => {
      manualSeed(5);
      const device = 'javascript';
      const net = new Forecaster({ version: 1, patchSize: 2, hiddenDim: [3] }).to(device);
      const x = Tensor.rand([2, 2, 1, 4, 4], { device });
      const y = Tensor.rand([2, 3, 1, 4, 4], { device });
      const loss = () => {
        const draws = [0, 1, 1, 0];
        const logits = net.unroll(x, y, { teacherForcing, random: () => draws.shift()! });
        return mseLoss(logits.sigmoid(), Tensor.concat([x, y], 1).slice([null, 1]));
      };
      loss().backward();
      // Directional derivative along a random direction of all parameters.
      const directions = net.parameters().map(({ shape }) => Tensor.randn([...shape], { device }));
      let slope = 0;
      for (const [n, parameter] of net.parameters().entries()) {
        slope += await parameter.grad!.mul(directions[n]!).sum().item();
      }
      const starts = net.parameters().map((parameter) => parameter.detach());
      const at = (step: number) =>
        noGrad(() => {
          net.parameters().forEach((parameter, n) => {
            parameter.assign(starts[n]!.add(directions[n]!.mul(step)));
          });
          return loss().itemSync();
        });
      const step = 2 ** -6;
      const difference =
        (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
      expect(Math.abs(slope)).toBeGreaterThan(1e-3);
      expect(Math.abs(difference / slope - 1)).toBeLessThan(1e-2);
    },
  );
});
