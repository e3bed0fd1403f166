import type {
  AdamArguments,
  AdamResult,
  RmspropArguments,
  RmspropResult,
  SgdArguments,
  SgdResult,
} from '../../binding.js';
import { compute, optionalValuesOf, valuesOf } from './storage.js';

export function sgdStep(args: SgdArguments): SgdResult {
  const { lr, momentum, dampening, nesterov, weightDecay } = args;
  const { length } = args.parameter;
  const lengths = momentum === 0 ? [length] : [length, length];
  const [parameter, buffer] = compute(
    [args.parameter, args.grad, args.buffer],
    lengths,
    (nextParameter, nextBuffer) => {
      const values = valuesOf(args.parameter);
      const grads = valuesOf(args.grad);
      const before = optionalValuesOf(args.buffer);
      for (let i = 0; i < length; i++) {
        const grad = grads[i]! + weightDecay * values[i]!;
        let step = grad;
        if (nextBuffer) {
          const mixed = before ? momentum * before[i]! + (1 - dampening) * grad : grad;
          nextBuffer[i] = mixed;
          step = nesterov ? grad + momentum * mixed : mixed;
        }
        nextParameter![i] = values[i]! - lr * step;
      }
    },
  );
  return { parameter: parameter!, buffer: buffer ?? null };
}

export function rmspropStep(args: RmspropArguments): RmspropResult {
  const { lr, alpha, eps, momentum, weightDecay } = args;
  const { length } = args.parameter;
  const lengths = momentum === 0 ? [length, length] : [length, length, length];
  const [parameter, squareAverage, buffer] = compute(
    [args.parameter, args.grad, args.squareAverage, args.buffer],
    lengths,
    (nextParameter, nextSquare, nextBuffer) => {
      const values = valuesOf(args.parameter);
      const grads = valuesOf(args.grad);
      const square = optionalValuesOf(args.squareAverage);
      const before = optionalValuesOf(args.buffer);
      for (let i = 0; i < length; i++) {
        const grad = grads[i]! + weightDecay * values[i]!;
        const average = alpha * (square?.[i] ?? 0) + (1 - alpha) * grad * grad;
        nextSquare![i] = average;
        let step = grad / (Math.sqrt(average) + eps);
        if (nextBuffer) {
          step += momentum * (before?.[i] ?? 0);
          nextBuffer[i] = step;
        }
        nextParameter![i] = values[i]! - lr * step;
      }
    },
  );
  return { parameter: parameter!, squareAverage: squareAverage!, buffer: buffer ?? null };
}

export function adamStep(args: AdamArguments): AdamResult {
  const { lr, beta1, beta2, eps, weightDecay, decoupled } = args;
  const { length } = args.parameter;
  const stepSize = lr / (1 - beta1 ** args.step);
  const correction = Math.sqrt(1 - beta2 ** args.step);
  const [parameter, average, squareAverage] = compute(
    [args.parameter, args.grad, args.average, args.squareAverage],
    [length, length, length],
    (nextParameter, nextAverage, nextSquare) => {
      const values = valuesOf(args.parameter);
      const grads = valuesOf(args.grad);
      const first = optionalValuesOf(args.average);
      const second = optionalValuesOf(args.squareAverage);
      for (let i = 0; i < length; i++) {
        const grad = decoupled ? grads[i]! : grads[i]! + weightDecay * values[i]!;
        const value = decoupled ? values[i]! * (1 - lr * weightDecay) : values[i]!;
        const mean = beta1 * (first?.[i] ?? 0) + (1 - beta1) * grad;
        const square = beta2 * (second?.[i] ?? 0) + (1 - beta2) * grad * grad;
        nextAverage![i] = mean;
        nextSquare![i] = square;
        nextParameter![i] = value - (stepSize * mean) / (Math.sqrt(square) / correction + eps);
      }
    },
  );
  return { parameter: parameter!, average: average!, squareAverage: squareAverage! };
}
