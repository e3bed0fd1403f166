// The check that stops vitest on a stale build: test/support/built.ts.
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { staleBuild } from './support/built.js';

let root: string;

/** Sets when `file` was changed last, in seconds; creates it if necessary. */
function touch(file: string, seconds: number): void {
  const full = path.join(root, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, '');
  utimesSync(full, seconds, seconds);
}

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'convlstm-built-'));
  for (const file of ['src/nn/cell.ts', 'native/ops/op.h', 'native/cuda/op.cu', 'CMakeLists.txt']) {
    touch(file, 100);
  }
  touch('dist/nn/cell.js', 200);
  touch('build/Release/convlstm.node', 150);
  touch('build/Release/convlstm.built', 200);
});
afterEach(() => rmSync(root, { recursive: true }));

it('nothing is stale after a build, though nothing had to be linked', () => {
  touch('native/cuda/op.cu', 180);
  expect(staleBuild(root)).toBeNull();
});

describe('stale', () => {
  it.each([
    ['a touched .ts', 'src/nn/cell.ts', /^dist.nn.cell\.js is older than src.nn.cell\.ts; .*:ts$/],
    ['a new .ts', 'src/nn/gru.ts', /^dist.nn.gru\.js is missing; .*:ts$/],
    ['the options of tsc', 'tsconfig.build.json', /^dist.nn.cell\.js is older than the compiler/],
    [
      'a touched .h',
      'native/ops/op.h',
      /convlstm\.node is older than native.ops.op\.h; .*:native$/,
    ],
    ['a new .cc', 'native/cpu/op.cc', /convlstm\.node is older than native.cpu.op\.cc; .*:native$/],
    [
      'a touched CMakeLists.txt',
      'CMakeLists.txt',
      /convlstm\.node is older than CMakeLists\.txt; /,
    ],
  ])('after %s', (_, file, message) => {
    touch(file, 300);
    expect(staleBuild(root)).toMatch(message);
  });

  it('a prebuilt addon, which has no stamp', () => {
    rmSync(path.join(root, 'build/Release/convlstm.built'));
    expect(staleBuild(root)).toBeNull();
    touch('native/ops/op.h', 160);
    expect(staleBuild(root)).toMatch(/convlstm\.node is older than native.ops.op\.h/);
  });
});

it('no addon is no stale addon', () => {
  rmSync(path.join(root, 'build'), { recursive: true });
  expect(staleBuild(root)).toBeNull();
});

it('an addon without sources is not stale', () => {
  for (const each of ['native', 'CMakeLists.txt'])
    rmSync(path.join(root, each), { recursive: true });
  expect(staleBuild(root)).toBeNull();
});
