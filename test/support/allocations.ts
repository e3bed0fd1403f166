// Records the largest single allocation of the code under test.

const watched = [
  'ArrayBuffer',
  'Uint8Array',
  'Uint16Array',
  'Float32Array',
  'Float64Array',
] as const;

export interface AllocationWatch extends Disposable {
  /** Bytes of the largest allocation since the last call. */
  takeLargest(): number;
}

/** Counts buffers and typed arrays that are created by length, until it is disposed. */
export function watchAllocations(): AllocationWatch {
  let largest = 0;
  const originals = new Map<string, unknown>();
  for (const name of watched) {
    const original = globalThis[name];
    const width = 'BYTES_PER_ELEMENT' in original ? original.BYTES_PER_ELEMENT : 1;
    originals.set(name, original);
    const counting: typeof original = new Proxy(original, {
      construct(target, parameters, newTarget) {
        const [length] = parameters;
        if (typeof length === 'number') largest = Math.max(largest, length * width);
        return Reflect.construct(target, parameters, newTarget === counting ? target : newTarget);
      },
    });
    Object.assign(globalThis, { [name]: counting });
  }
  return {
    takeLargest() {
      const taken = largest;
      largest = 0;
      return taken;
    },
    [Symbol.dispose]() {
      for (const [name, original] of originals) Object.assign(globalThis, { [name]: original });
    },
  };
}
