// Stands where prebuildify expects node-gyp: it is called as `rebuild --target=.. --devdir=..
// --arch=.. --release` and leaves the addon in build/Release. It builds in a folder of its own: cmake-js
// does not configure again what is configured, and build/ is for this machine's GPUs only.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';

const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
const arch = process.argv
  .find((argument) => argument.startsWith('--arch='))
  ?.slice('--arch='.length);
const folder = 'build-prebuild';
const args = [
  cmakeJs,
  'compile',
  '--out',
  folder,
  '--target',
  'convlstm',
  '--CDCONVLSTM_RELEASE=ON',
];
args.push('--parallel', process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()));
if (arch) args.push('--arch', arch);
process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
if (process.exitCode === 0) {
  mkdirSync('build/Release', { recursive: true });
  copyFileSync(`${folder}/Release/convlstm.node`, 'build/Release/convlstm.node');
}
