// clang-tidy over the C++ sources, by the compile commands that building the addon left in build/.
// Warnings are errors (.clang-tidy). CUDA's files are nvcc's.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
if (!existsSync(path.join(root, 'build', 'compile_commands.json'))) {
  console.error('build/compile_commands.json is missing: npm run build:native makes it');
  process.exit(1);
}
const args = ['-quiet', '-p', 'build', `^${root}/native/.*[.]cc$`];
const result = spawnSync('run-clang-tidy', args, { cwd: root, stdio: 'inherit' });
if (result.error) console.error(`run-clang-tidy: ${result.error.message} (Debian: clang-tidy)`);
process.exitCode = result.status ?? 1;
