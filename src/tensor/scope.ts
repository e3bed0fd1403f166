/** A tensor. */
interface Owner {
  dispose(): void;
}

let created: Set<Owner> | null = null;

/** Each new tensor calls it. */
export function noteCreated(tensor: Owner): void {
  created?.add(tensor);
}

/**
 * Calls `body`, then disposes every tensor created meanwhile except those that `keep` returns: a training
 * step leaves nothing to the garbage collector, whatever its loss function does.
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
