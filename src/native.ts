/** Finds and loads the native binary; no other file does. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Addon } from '../binding.js';

/** @internal */
export interface NativeBinary {
  /** The addon; null if no binary fits this machine. */
  readonly addon: Addon | null;
  /** Path of the loaded file, or null. */
  readonly path: string | null;
  /** Reason why there is no addon; empty if there is one. */
  readonly reason: string;
}

interface NodeGypBuild {
  path(directory: string): string;
}

const require = createRequire(import.meta.url);

function load(): NativeBinary {
  let path: string | null = null;
  try {
    const nodeGypBuild = require('node-gyp-build') as NodeGypBuild;
    path = nodeGypBuild.path(fileURLToPath(new URL('..', import.meta.url)));
    return { addon: require(path) as Addon, path, reason: '' };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { addon: null, path: null, reason: path === null ? message : `${path}: ${message}` };
  }
}

let binary: NativeBinary | undefined;

/**
 * The binary, loaded by the first call; never throws.
 *
 * @internal
 */
export function nativeBinary(): NativeBinary {
  binary ??= load();
  return binary;
}
