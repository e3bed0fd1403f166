/** Finds and loads the native binary; no other file does. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeGypBuild from 'node-gyp-build';
import type { Addon } from '../binding.js';
import { version } from './version.js';
import { warnOnce } from './warn.js';

/** @internal */
export interface NativeBinary {
  /** The addon; null if no binary fits this machine. */
  readonly addon: Addon | null;
  /** Path of the loaded file, or null. */
  readonly path: string | null;
  /** Reason why there is no addon; empty if there is one. */
  readonly reason: string;
}

/** This file, or the bundle that holds it; CommonJS bundles leave `import.meta.url` undefined. */
function ownFile(): string {
  const url: string | undefined = import.meta.url;
  if (url?.startsWith('file:')) return fileURLToPath(url);
  return typeof __filename === 'string' ? __filename : process.execPath;
}

const file = ownFile();
const requireHere = createRequire(file);

/** Whether `folder` is this package, in this version. */
function isPackage(folder: string): boolean {
  try {
    const manifest = requireHere(join(folder, 'package.json')) as Record<string, unknown>;
    return manifest['name'] === 'convlstm' && manifest['version'] === version;
  } catch {
    return false;
  }
}

const root = dirname(dirname(file));
const bundled = !isPackage(root);

/** Folders with `build/` or `prebuilds/`: the package, or for a bundle its own folder and node_modules. */
function places(): string[] {
  if (!bundled) return [root];
  const beside = dirname(file);
  try {
    const installed = dirname(requireHere.resolve('convlstm/package.json'));
    return isPackage(installed) ? [beside, installed] : [beside];
  } catch {
    return [beside];
  }
}

function load(): NativeBinary {
  let path: string | null = null;
  let reason = '';
  for (const place of places()) {
    try {
      path = nodeGypBuild.path(place);
      return { addon: requireHere(path) as Addon, path, reason: '' };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      reason ||= path === null ? message : `${path}: ${message}`;
    }
  }
  return { addon: null, path: null, reason };
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

function cure(reason: string): string {
  if (/loading addons is disabled|ERR_DLOPEN_DISABLED/i.test(reason)) {
    return 'start Node without --no-addons, or with --allow-addons under --permission';
  }
  if (bundled) {
    return 'this is a bundle: keep convlstm external or put its prebuilds/ beside it (docs/bundlers.md)';
  }
  return 'npx convlstm build compiles one here';
}

/**
 * Says once that the fallback computes for `'cpu'`, how slow it is, why, and the way out.
 *
 * @internal
 */
export function warnOfFallback(): void {
  const { reason } = nativeBinary();
  const why = reason.replace(/\s+/g, ' ').trim();
  // 75.8 s against 0.277 s with 2 threads and AVX2, both on a busy machine: ten 64x64 frames, 1 -> 64
  // channels, 3x3, batch 1.
  warnOnce(
    'CONVLSTM_NO_BINARY',
    `convlstm has no native binary here: plain TypeScript computes, hundreds of times slower. ` +
      `Reason: ${why}. Way out: ${cure(reason)}. ` +
      `device 'javascript' says nothing`,
  );
}
