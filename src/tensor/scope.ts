/** A tensor, as far as this file is concerned. */
interface Owner {
  dispose(): void;
}

let created: Set<Owner> | null = null;

/** Every tensor tells of its making. */
export function noteCreated(tensor: Owner): void {
  created?.add(tensor);
}

/**
 * Calls `body` and disposes every tensor made meanwhile, but for those that `keep` returns in the end:
 * a step of training leaves nothing to the collector, whatever its loss function does.
 */
export function disposeCreated<T>(body: () => T, keep: () => Iterable<Owner | null>): T {
  const outer = created;
  const own = new Set<Owner>();
  created = own;
  try {
    return body();
  } finally {
    created = outer;
    for (const tensor of keep()) if (tensor) own.delete(tensor);
    for (const tensor of own) tensor.dispose();
  }
}
