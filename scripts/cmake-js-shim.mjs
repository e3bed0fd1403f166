// Replaces node-gyp for prebuildify, which calls it as `rebuild --target=.. --devdir=.. --arch=..
// --release` and expects the addon in build/Release. It builds in a separate folder, because cmake-js
// never reconfigures and build/ may have code for this machine's GPUs only.
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
