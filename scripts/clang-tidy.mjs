// Runs clang-tidy over the C++ sources, with the compile commands of build/. Warnings are errors
// (.clang-tidy). CUDA sources are left out: nvcc compiles them.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const commands = path.join(root, 'build', 'compile_commands.json');
if (!existsSync(commands)) {
  console.error('build/compile_commands.json is missing: npm run build:native writes it');
  process.exit(1);
}
const sources = readdirSync(path.join(root, 'native'), { recursive: true })
  .filter((file) => file.endsWith('.cc'))
  .map((file) => path.join(root, 'native', file));
const kernels = sources.filter((file) => readFileSync(file, 'utf8').includes('foreach_target.h'));
const others = sources.filter((file) => !kernels.includes(file));

// Drops the simulator's build of CUDA's host code: clang 14 lacks std::source_location.
const folder = mkdtempSync(path.join(tmpdir(), 'clang-tidy-'));
const entries = JSON.parse(readFileSync(commands, 'utf8'));
writeFileSync(
  path.join(folder, 'compile_commands.json'),
  JSON.stringify(entries.filter((entry) => !entry.command.includes('-DCONVLSTM_SIMT'))),
);

/** @param {string[]} files @param {string[]} options of clang-tidy */
function run(files, options = []) {
  const patterns = files.map((file) => `^${file.replaceAll('.', '[.]')}$`);
  const jobs = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism());
  const args = ['-quiet', '-p', folder, '-j', jobs, ...options, ...patterns];
  const result = spawnSync('run-clang-tidy', args, { cwd: root, stdio: 'inherit' });
  if (result.error) console.error(`run-clang-tidy: ${result.error.message} (Debian: clang-tidy)`);
  return result.status === 0;
}

// The analyzer takes half a minute for a SIMD kernel, and sanitizers find the same bugs there.
const clean = [run(others), run(kernels, ['-checks=-clang-analyzer-*'])];
rmSync(folder, { recursive: true });
process.exitCode = clean.every(Boolean) ? 0 : 1;
