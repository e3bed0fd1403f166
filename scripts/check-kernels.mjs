// Compiles the CUDA kernels and fails if ptxas reports a stack frame, spilled registers or serialized
// wgmma:
//   node scripts/check-kernels.mjs [90a ...]     default: every supported GPU
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, devNull } from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const release = /75-real[^)]*/.exec(readFileSync(path.join(root, 'cmake/cuda.cmake'), 'utf8'))[0];
const all = release
  .trim()
  .split(/\s+/)
  .map((entry) => entry.replace('-real', ''));
const asked = process.argv.slice(2);
const problems = [];

if (spawnSync('nvcc', ['--version']).error) {
  console.log('skipped: nvcc is not installed');
  process.exit(0);
}

/** @param {string[]} args @returns {Promise<{ status: number | null, report: string }>} */
function nvcc(args) {
  const child = spawn('nvcc', args, { cwd: root });
  let report = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      report += text;
    });
  }
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, report })));
}

const folder = path.join(root, 'native', 'cuda');
const sources = readdirSync(folder, { recursive: true }).filter((f) => f.endsWith('.cu'));
const archs = asked.length > 0 ? asked : all;
const registers = Object.fromEntries(archs.map((arch) => [arch, []]));

async function check(arch, source) {
  const file = path.join('native', 'cuda', source);
  const args = [
    '-std=c++20',
    '-Inative',
    `-gencode=arch=compute_${arch},code=sm_${arch}`,
    '-cubin',
    '-Xptxas',
    '-v',
  ];
  const { status, report } = await nvcc([...args, file, '-o', devNull]);
  if (status !== 0) problems.push(`${file}, sm_${arch}: does not compile\n${report}`);
  for (const line of report.split('\n')) {
    const memory = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes/.exec(line);
    if (memory?.slice(1).some((bytes) => bytes !== '0')) {
      problems.push(`${file}, sm_${arch}: ${line.trim()}`);
    }
    if (/wgmma.*serialized/.test(line)) problems.push(`${file}, sm_${arch}: ${line.trim()}`);
    const used = /Used (\d+) registers/.exec(line);
    if (used) registers[arch].push(Number(used[1]));
  }
}

const jobs = archs.flatMap((arch) => sources.map((source) => [arch, source]));
const worker = async () => {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await check(...job);
};
const workers = Number(process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? availableParallelism());
await Promise.all(Array.from({ length: workers }, worker));

for (const [arch, used] of Object.entries(registers)) {
  console.log(`sm_${arch}: ${used.length} kernels, at most ${Math.max(...used)} registers`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
