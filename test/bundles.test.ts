// Bundles of a program start, as ES modules and as CommonJS: with the binary of an installed package or of
// a folder beside them, else by plain TypeScript with a warning that says what to configure.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backendInfo } from '../src/index.js';
import { version } from '../src/version.js';
import { runProgram } from './support/program.js';

const root = path.dirname(import.meta.dirname);
const folder = mkdtempSync(path.join(tmpdir(), 'convlstm-bundles-'));
const file = path.join(root, 'build', 'Release', 'convlstm.node');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = `
import { backendInfo, gif, Tensor } from 'convlstm';
const main = async () => {
  const y = await Tensor.ones([2]).add(1).data();
  gif.encode([{ data: new Float32Array(4), shape: [2, 2] }]);
  console.log(JSON.stringify([...y, backendInfo().binary.loaded]));
};
main();
`;

async function bundle(format: 'es' | 'cjs', place: string): Promise<string> {
  const name = format === 'es' ? 'app.mjs' : 'app.cjs';
  await build({
    configFile: false,
    logLevel: 'silent',
    root: place,
    resolve: { alias: { convlstm: path.join(root, 'dist', 'index.js') } },
    ssr: { noExternal: true, external: ['h5wasm'] },
    build: {
      ssr: 'app.js',
      outDir: path.join(place, 'dist'),
      rollupOptions: { output: { format, entryFileNames: name } },
    },
  });
  return path.join(place, 'dist', name);
}

describe.each(['es', 'cjs'] as const)('%s', (format) => {
  let app = '';
  const place = path.join(folder, format);
  beforeAll(async () => {
    mkdirSync(place);
    writeFileSync(path.join(place, 'app.js'), program);
    app = await bundle(format, place);
  }, 120_000);

  it('without a binary says so once, with the way out', async () => {
    const { exitCode, stdout, stderr } = await runProgram(app);
    expect(exitCode, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual([2, 2, false]);
    expect(stderr).toContain('CONVLSTM_NO_BINARY');
    expect(stderr).toMatch(/keep convlstm external or put its prebuilds\/ beside it/);
  });

  describe.runIf(backendInfo().binary.loaded)('finds the binary', () => {
    it('of the package in node_modules', async () => {
      const modules = path.join(place, 'node_modules');
      mkdirSync(modules);
      symlinkSync(root, path.join(modules, 'convlstm'), 'junction');
      const { stdout, stderr } = await runProgram(app);
      rmSync(modules, { recursive: true });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual([2, 2, true]);
    });

    it('in prebuilds/ beside it', async () => {
      const beside = `${path.dirname(app)}/prebuilds/${process.platform}-${process.arch}`;
      mkdirSync(beside, { recursive: true });
      copyFileSync(file, path.join(beside, 'node.napi.node'));
      const { stdout, stderr } = await runProgram(app);
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual([2, 2, true]);
    });
  });
});

it('the version in bundles is that of package.json', async () => {
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } });
  expect(version).toBe(manifest.version);
});
