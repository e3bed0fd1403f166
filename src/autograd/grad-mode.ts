import { AsyncLocalStorage } from 'node:async_hooks';

const mode = new AsyncLocalStorage<boolean>();

/** True where operations are recorded for `backward()`; false inside `noGrad`. */
export function isGradEnabled(): boolean {
  return mode.getStore() ?? true;
}

/**
 * Calls `body` without recording for `backward()`, so that nothing but the results takes memory. Covers an
 * asynchronous `body` to its end, and nothing that runs beside it.
 *
 * @returns what `body` returns
 * @example
 * ```ts
 * const { output } = noGrad(() => net.forward(x));
 * const score = await noGrad(async () => validate(net, await loader.next()));
 * ```
 */
export function noGrad<T>(body: () => T): T {
  return mode.run(false, body);
}
