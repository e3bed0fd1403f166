// Programs beside the package: onnxruntime-node, and C++ programs compiled on first use for this
// machine.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Installs bench/package.json once, without install scripts. */
export function installPeers() {
  if (existsSync(`${here}node_modules/onnxruntime-node`)) return;
  process.stderr.write('Installing onnxruntime-node for the bench ...\n');
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: here,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/**
 * Compiles with -march=native. The program's name has a hash of sources, flags and processor, so it
 * never runs on another processor.
 * @param {string} source beside this file @param {string[]} flags @param {string[]} [headers]
 * @returns {{ program: string } | { reason: string }}
 */
export function compile(source, flags, headers = []) {
  const processor = readFileSync('/proc/cpuinfo', 'utf8').match(/^(flags|Features)\s*:.*$/m)?.[0];
  const sources = [source, ...headers].map((name) => readFileSync(`${here}${name}`, 'utf8'));
  const identity = [...sources, ...flags, processor].join('\n');
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 12);
  const name = source.replace(/^.*\//, '').replace(/\.cc$/, '');
  const program = `${here}build/${name}-${hash}`;
  if (existsSync(program)) return { program };
  mkdirSync(`${here}build`, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const options = ['-std=c++20', '-O3', '-march=native', `${here}${source}`, '-o', unfinished];
  const { status, error, stderr } = spawnSync('g++', [...options, ...flags], { encoding: 'utf8' });
  if (error) return { reason: `no C++ compiler (${error.message})` };
  if (status !== 0) {
    const missing = stderr.match(/fatal error: (\S+): No such file/)?.[1];
    return { reason: missing ? `${missing} is not installed` : stderr.trim().split('\n')[0] };
  }
  renameSync(unfinished, program);
  return { program };
}

/**
 * This machine's limits: GFLOP/s of `f32 avx2`, `bf16 amx`, ...; GB/s of `read 512 KiB`, ...
 * @param {number} threads
 * @returns {Record<string, number>} empty where they cannot be measured
 */
export function measureLimits(threads) {
  const result = compile('limits.cc', ['-pthread']);
  if ('reason' in result) {
    process.stderr.write(`Limits are not measured: ${result.reason}\n`);
    return {};
  }
  return JSON.parse(execFileSync(result.program, [String(threads)], { encoding: 'utf8' }));
}
