// Compiles the CUDA kernels for every GPU that is supported, or for those named, and fails where
// ptxas reports a stack frame or spilled registers: node scripts/check-kernels.mjs [90 ...]
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { devNull } from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const all = ['75', '80', '86', '89', '90', '100', '120'];
const asked = process.argv.slice(2);
const problems = [];

if (spawnSync('nvcc', ['--version']).error) {
  console.log('skipped: no nvcc here');
  process.exit(0);
}

const sources = readdirSync(path.join(root, 'native', 'cuda')).filter((f) => f.endsWith('.cu'));
for (const arch of asked.length > 0 ? asked : all) {
  const registers = [];
  for (const source of sources) {
    const file = path.join('native', 'cuda', source);
    const args = ['-std=c++20', '-Inative', `-arch=sm_${arch}`, '-cubin', '-Xptxas', '-v'];
    const { status, stdout, stderr } = spawnSync('nvcc', [...args, file, '-o', devNull], {
      cwd: root,
      encoding: 'utf8',
    });
    const report = stdout + stderr;
    if (status !== 0) problems.push(`${file}, sm_${arch}: does not compile\n${report}`);
    for (const line of report.split('\n')) {
      const memory = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes/.exec(line);
      if (memory?.slice(1).some((bytes) => bytes !== '0')) {
        problems.push(`${file}, sm_${arch}: ${line.trim()}`);
      }
      const used = /Used (\d+) registers/.exec(line);
      if (used) registers.push(Number(used[1]));
    }
  }
  console.log(
    `sm_${arch}: ${registers.length} kernels, at most ${Math.max(...registers)} registers`,
  );
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
