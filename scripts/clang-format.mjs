// Checks the layout of the C++ sources; --write formats them.
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const patterns = ['cc', 'h', 'cu', 'cuh'].flatMap((suffix) => [
  `native/*.${suffix}`,
  `test/native/*.${suffix}`,
  `test/simt/*.${suffix}`,
  `test/cuda/*.${suffix}`,
]);
const listed = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns];
const files = execFileSync('git', listed, { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter(Boolean);
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror'];
const result = spawnSync('clang-format', [...mode, ...files], { cwd: root, stdio: 'inherit' });
if (result.error) console.error(`clang-format: ${result.error.message} (Debian: clang-format)`);
process.exitCode = result.status ?? 1;
