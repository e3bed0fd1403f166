import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Command } from 'commander';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Resolves a module from this package, then from the working directory. */
function resolve(module: string): string | null {
  for (const place of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json'))]) {
    try {
      return createRequire(place).resolve(module);
    } catch {
      // Try the next place.
    }
  }
  return null;
}

function runs(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Missing requirements of the build, each with how to install it. */
function findMissing(cmakeJs: string | null): string[] {
  const missing: string[] = [];
  if (!runs('cmake')) missing.push('cmake (Debian: apt install cmake)');
  const compilers = [process.env['CXX'] || 'c++', 'g++', 'clang++'];
  if (process.platform !== 'win32' && !compilers.some(runs)) {
    missing.push('a C++20 compiler (Debian: apt install g++)');
  }
  if (cmakeJs === null) missing.push('cmake-js (npm install --no-save cmake-js)');
  if (resolve('node-addon-api') === null) {
    missing.push('node-addon-api (npm install --no-save node-addon-api)');
  }
  return missing;
}

export function addBuild(program: Command): void {
  program
    .command('build')
    .description('compile the native engine for this machine, into build/Release of this package')
    .action(() => {
      const cmakeJs = resolve('cmake-js/bin/cmake-js');
      const missing = findMissing(cmakeJs);
      if (missing.length > 0 || cmakeJs === null) {
        throw new Error(`the build needs ${missing.join(' and ')}`);
      }
      const parallel = String(availableParallelism());
      const args = [cmakeJs, 'compile', '--directory', root, '--parallel', parallel];
      const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' });
      if (status !== 0) {
        const reason = error?.message ?? `cmake-js ended with ${status}; its output is above`;
        throw new Error(`the build failed: ${reason}`);
      }
      console.log(`built in ${join(root, 'build', 'Release')}`);
    });
}
