import { AsyncLocalStorage } from 'node:async_hooks';

const mode = new AsyncLocalStorage<boolean>();

/** Whether operations are recorded for `backward()` here; false inside `noGrad`. */
export function isGradEnabled(): boolean {
  return mode.getStore() ?? true;
}

/**
 * Calls `body` with nothing recorded for `backward()`: what it computes needs no more memory than its
 * results. An asynchronous `body` is covered to its end, and what runs beside it is not.
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
