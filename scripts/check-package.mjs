// The packed tarball passes as a user meets it: installed in an empty folder with no network, no install
// scripts and no compiler, it computes natively; publint and attw find nothing. --release: it holds the
// binaries of every platform.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const release = process.argv.includes('--release');
// A binary packs to some 3 MB without CUDA and 7 MB with it.
const MAX_BYTES = release ? 30e6 : 10e6;
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64'];
const WEIGHTS = 'examples/moving-mnist/moving-mnist-convlstm.safetensors';
const WANTED = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'binding.d.ts',
  'CMakeLists.txt',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/cli/main.js',
  'docs/weights.md',
  'schemas/train.schema.json',
];
const UNWANTED =
  /^(test|bench|examples|docs\/api|src|scripts|build|coverage|node_modules|\.ci|\.github)\//;

// What a user writes, with the demo's model beside it.
const PROGRAM = `
import { backendInfo, gif, loadModel, npy, Tensor } from 'convlstm';
const model = await loadModel('model.safetensors');
const frames = Tensor.rand([1, 10, 1, 64, 64]);
const values = await model.forward(frames, 10).data();
if (values.length !== 10 * 64 * 64 || !values.every((value) => value >= 0 && value <= 1)) throw values;
const frame = (t) => ({ data: values.subarray(t * 4096, (t + 1) * 4096), shape: [64, 64] });
await gif.save('forecast.gif', Array.from({ length: 10 }, (_, t) => frame(t)));
await npy.save('frames.npy', { data: await frames.data(), shape: [10, 1, 64, 64] });
console.log(JSON.stringify(backendInfo()));
`;

const root = path.dirname(import.meta.dirname);
const work = mkdtempSync(path.join(tmpdir(), 'convlstm-package-'));
const quiet = ['--loglevel=error', '--no-audit', '--no-fund', '--no-update-notifier'];

function run(command, args, options = {}) {
  return execFileSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
    ...options,
  });
}

/** Packs what lies in `folder` into `work`. */
function pack(folder) {
  const args = ['pack', folder, '--json', '--ignore-scripts', '--pack-destination', work, ...quiet];
  const [summary] = JSON.parse(run('npm', args));
  return { ...summary, file: path.join(work, summary.filename) };
}

/** Our dependencies at run time, with theirs, as they lie in node_modules. */
function runtimeDependencies() {
  const listed = JSON.parse(
    run('npm', ['ls', '--omit=dev', '--all', '--json', '--long', ...quiet]),
  );
  const folders = new Map();
  const visit = (node) => {
    for (const dependency of Object.values(node.dependencies ?? {})) {
      if (dependency.path && !dependency.missing) folders.set(dependency.path, dependency);
      visit(dependency);
    }
  };
  visit(listed);
  return [...folders.keys()];
}

/** A PATH that holds node, npm and a shell, and nothing that compiles. */
function barePath() {
  const folder = path.join(work, 'bin');
  mkdirSync(folder);
  const node = path.dirname(process.execPath);
  for (const name of ['node', 'npm', 'npx'])
    symlinkSync(path.join(node, name), path.join(folder, name));
  symlinkSync('/bin/sh', path.join(folder, 'sh'));
  return folder;
}

function checkContents(tarball) {
  const files = tarball.files.map((entry) => entry.path);
  for (const file of WANTED) assert.ok(files.includes(file), `the tarball lacks ${file}`);
  const platforms = release ? PLATFORMS : [`${process.platform}-${process.arch}`];
  for (const platform of platforms) {
    assert.ok(
      files.some((file) => file.startsWith(`prebuilds/${platform}/`) && file.endsWith('.node')),
      `the tarball lacks the binary of ${platform}`,
    );
  }
  assert.deepEqual(
    files.filter((file) => UNWANTED.test(file)),
    [],
  );
  assert.ok(tarball.size < MAX_BYTES, `the tarball has ${tarball.size} bytes, over ${MAX_BYTES}`);
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const script of ['preinstall', 'install', 'postinstall'])
    assert.ok(!(script in manifest.scripts));
  const size = (tarball.size / 1e6).toFixed(2);
  const unpacked = (tarball.unpackedSize / 1e6).toFixed(2);
  console.log(
    `${tarball.filename}: ${files.length} files, ${size} MB packed, ${unpacked} MB unpacked`,
  );
}

function checkInstalled(tarball) {
  const dependencies = runtimeDependencies().map((folder) => pack(folder).file);
  const app = path.join(work, 'app');
  mkdirSync(app);
  writeFileSync(path.join(app, 'package.json'), '{ "private": true, "type": "module" }\n');
  const env = { PATH: barePath(), HOME: work, npm_config_cache: path.join(work, 'empty-cache') };
  const args = [
    'install',
    '--offline',
    '--ignore-scripts',
    ...quiet,
    tarball.file,
    ...dependencies,
  ];
  run('npm', args, { cwd: app, env });

  writeFileSync(path.join(app, 'program.js'), PROGRAM);
  cpSync(path.join(root, WEIGHTS), path.join(app, 'model.safetensors'));
  const info = JSON.parse(run('node', ['program.js'], { cwd: app, env }));
  assert.match(info.binary.path, /node_modules.convlstm.prebuilds/);
  const forecast = ['--weights', 'model.safetensors', '--input', 'frames.npy', '--steps', '3'];
  const convlstm = (...words) => run('npx', ['--offline', 'convlstm', ...words], { cwd: app, env });
  console.log(convlstm('info'));
  convlstm('forecast', ...forecast, '--out', 'forecast.npy');
  convlstm('inspect', 'model.safetensors');
  for (const file of ['forecast.gif', 'forecast.npy'])
    assert.ok(statSync(path.join(app, file)).size > 0);
}

try {
  const tarball = pack(root);
  checkContents(tarball);
  checkInstalled(tarball);
  console.log(run('npx', ['publint', 'run', '--strict', tarball.file]));
  console.log(run('npx', ['attw', tarball.file, '--profile', 'esm-only']));
} finally {
  rmSync(work, { recursive: true, force: true });
}
