import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Folders and files of src; each imports only from those before it. */
const kOrder = [
  ...['errors.ts', 'options.ts', 'philox.ts', 'precision.ts', 'native.ts', 'fallback'],
  ...['backend.ts', 'backend-info.ts', 'tensor', 'autograd', 'functional', 'io'],
  ...['nn', 'metrics', 'losses', 'optim', 'data', 'models', 'training', 'cli', 'index.ts'],
];

function sources(folder: string, name: RegExp): { path: string; text: string }[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path))
    .map((path) => ({
      path: `${folder}/${path}`.replaceAll('\\', '/'),
      text: readFileSync(join(root, folder, path), 'utf8'),
    }));
}

describe('src', () => {
  const files = sources('src', /\.ts$/);

  it('imports in one direction between folders', () => {
    const place = (path: string) => kOrder.indexOf(path.split('/')[1]!);
    const wrong = files.flatMap(({ path, text }) =>
      [...text.matchAll(/(?:from|import|import\() ?'(\.[^']*)'/g)]
        .map(([, to]) => relative(root, join(root, dirname(path), to!)).replace(/\.js$/, '.ts'))
        .filter((to) => to.startsWith('src/') && !(place(to) <= place(path) && place(to) >= 0))
        .map((to) => `${path} imports ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it('loads the native binary in native.ts alone', () => {
    const loaders = files.filter(({ text }) => /node-gyp-build'|\.node'/.test(text));
    expect(loaders.map(({ path }) => path)).toEqual(['src/native.ts']);
  });
});
