// Stands where prebuildify expects node-gyp: it is called as `rebuild --target=.. --devdir=..
// --arch=.. --release` and leaves the addon in build/Release.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';

const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
const arch = process.argv
  .find((argument) => argument.startsWith('--arch='))
  ?.slice('--arch='.length);
const args = [cmakeJs, 'compile', '--target', 'convlstm', '--CDCONVLSTM_RELEASE=ON'];
args.push('--parallel', String(availableParallelism()));
if (arch) args.push('--arch', arch);
process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
