import type { Tensor } from './tensor.js';

let created: Set<Tensor> | null = null;

/** Every tensor tells of its making. */
export function noteCreated(tensor: Tensor): void {
  created?.add(tensor);
}

/**
 * Calls `body` and disposes every tensor made meanwhile, but for those that `keep` returns in the end:
 * a step of training leaves nothing to the collector, whatever its loss function does.
 */
export function disposeCreated<T>(body: () => T, keep: () => Iterable<Tensor | null>): T {
  const outer = created;
  const own = new Set<Tensor>();
  created = own;
  try {
    return body();
  } finally {
    created = outer;
    for (const tensor of keep()) if (tensor) own.delete(tensor);
    for (const tensor of own) tensor.dispose();
  }
}
