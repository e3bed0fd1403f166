// npm test: builds what changed (dist, addon, native test programs), then runs every test, JavaScript
// (vitest) and C++ (ctest). The last line is "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const report = path.join(root, '.cache', 'vitest.json');
const nativeBuild = path.join(root, 'build');
const processors = availableParallelism();
let passed = 0;
let failed = 0;

function run(command, args, options = {}) {
  const shell = process.platform === 'win32';
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', shell, ...options });
}

/** Adds up passed and failed tests; a step that fails without a failed test counts as one. */
function count(numbers, status) {
  passed += numbers.passed;
  failed += numbers.failed;
  if (status !== 0 && numbers.failed === 0) failed += 1;
}

function runVitest() {
  mkdirSync(path.dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const args = [
    'vitest',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const { status } = run('npx', args);
  const numbers = { passed: 0, failed: 0 };
  try {
    const summary = JSON.parse(readFileSync(report, 'utf8'));
    numbers.passed = summary.numPassedTests;
    numbers.failed = summary.numFailedTests;
  } catch (error) {
    console.error(`vitest left no report: ${error.message}`);
  }
  count(numbers, status);
}

/** Builds the programs that ctest runs, in the addon's build folder, which has their core. */
function buildPrograms() {
  const configure = ['-S', '.', '-B', nativeBuild, '-DCONVLSTM_TESTS=ON'];
  const build = ['--build', nativeBuild, '--config', 'Release', '--parallel', String(processors)];
  build.push('--target', 'convlstm_test_programs');
  return run('cmake', configure).status === 0 && run('cmake', build).status === 0;
}

function runCtest() {
  const args = ['--test-dir', nativeBuild, '--verbose', '-C', 'Release'];
  args.push('--parallel', String(processors));
  const { status, stdout } = run('ctest', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  process.stdout.write(stdout);
  // Counts doctest's cases: ctest counts programs.
  const numbers = { passed: 0, failed: 0 };
  const summary = /test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed/g;
  for (const [, passes, failures] of stdout.matchAll(summary)) {
    numbers.passed += Number(passes);
    numbers.failed += Number(failures);
  }
  count(numbers, status);
}

const built = run('npm', ['run', 'build']).status === 0;
const programsBuilt = built && buildPrograms();
if (!programsBuilt) failed += 1;
if (built) runVitest();
if (programsBuilt) runCtest();
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
