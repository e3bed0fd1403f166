// Dependencies between the folders of src and of native point in one direction.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

function sources(folder: string, name: RegExp): { path: string; text: string }[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path))
    .map((path) => ({
      path: path.replaceAll('\\', '/'),
      text: readFileSync(join(root, folder, path), 'utf8'),
    }));
}

/** The longest of `folders` that holds `path`. */
function roomOf(path: string, folders: readonly string[]): string | undefined {
  const rooms = folders.filter((folder) => path === folder || path.startsWith(`${folder}/`));
  return rooms.sort((a, b) => b.length - a.length)[0];
}

/** True where a chain has `to` before `from`, or both are one. */
function follows(chains: readonly (readonly string[])[], from: string, to: string): boolean {
  const folders = chains.flat();
  const [user, used] = [roomOf(from, folders), roomOf(to, folders)];
  if (user === undefined || used === undefined) return false;
  if (user === used) return true;
  return chains.some((chain) => chain.includes(used) && chain.indexOf(used) < chain.indexOf(user));
}

describe('src', () => {
  const files = sources('src', /\.ts$/);
  // Each imports only from those before it.
  const chains = [
    [
      ...[
        'version.ts',
        'errors.ts',
        'options.ts',
        'warn.ts',
        'philox.ts',
        'precision.ts',
        'native.ts',
        'fallback',
      ],
      ...['backend.ts', 'backend-info.ts', 'tensor', 'autograd', 'functional', 'io', 'nn'],
      ...['metrics', 'losses', 'optim', 'data', 'models', 'training', 'cli', 'index.ts'],
    ],
  ];

  it('imports in one direction between folders', () => {
    const wrong = files.flatMap(({ path, text }) =>
      [...text.matchAll(/(?:from|import|import\() ?'(\.[^']*)'/g)]
        .map(([, to]) => posix.join(dirname(path), to!).replace(/\.js$/, '.ts'))
        .filter((to) => !to.startsWith('../') && !follows(chains, path, to))
        .map((to) => `${path} imports ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it('loads the native binary in native.ts alone', () => {
    const loaders = files.filter(
      ({ path, text }) => !path.endsWith('.d.ts') && /node-gyp-build'|\.node'/.test(text),
    );
    expect(loaders.map(({ path }) => path)).toEqual(['native.ts']);
  });
});

describe('native', () => {
  const files = sources('native', /\.(h|cc|cuh|cu)$/);
  // Each includes only from those before it.
  const chains = [
    ['core', 'ops', 'runtime', 'cpu', 'addon'],
    ['core', 'ops', 'runtime', 'cuda', 'addon'],
    [
      ...['core', 'ops', 'cpu/threads', 'cpu/simd', 'cpu/frames', 'cpu/tensor'],
      ...['cpu/convolution', 'cpu/conv_lstm', 'cpu', 'addon'],
    ],
    [
      ...['core', 'ops', 'cuda/instructions', 'cuda/device', 'cuda/tensor', 'cuda/gemm'],
      ...['cuda/convolution', 'cuda/conv_lstm', 'cuda', 'addon'],
    ],
  ];
  /** To be resolved and deleted. */
  const kKnown = [
    'core/spin_wait.h includes hwy/cache_control.h',
    'cuda/device/device.cc includes cuda/architectures.h',
    'cuda/gemm/pack_weights.cuh includes cuda/convolution/gradient_phases.h',
  ];
  const includes = files.flatMap(({ path, text }) =>
    [...text.matchAll(/^#include ["<]([^">]*)[">]/gm)].map(([, to]) => ({ path, to: to! })),
  );
  const unknown = (wrong: typeof includes) =>
    wrong.map(({ path, to }) => `${path} includes ${to}`).filter((each) => !kKnown.includes(each));

  it('includes in one direction between folders', () => {
    const folders = chains.flat();
    const own = includes.filter(({ to }) => roomOf(to, folders) !== undefined);
    expect(own.length).toBeGreaterThan(100);
    expect(unknown(own.filter(({ path, to }) => !follows(chains, path, to)))).toEqual([]);
  });

  it('includes Node-API in addon alone, and Highway in cpu alone', () => {
    const outside = includes.filter(
      ({ path, to }) =>
        (/^(napi|node_api|js_native_api)/.test(to) && !path.startsWith('addon/')) ||
        (to.startsWith('hwy/') && !path.startsWith('cpu/')),
    );
    expect(unknown(outside)).toEqual([]);
  });
});
