// Runs test/programs/*.mjs, which import the built package, in separate processes.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface ProgramResult {
  /** Null if a signal ended the process. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ProgramOptions {
  args?: readonly string[];
  nodeArgs?: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  timeoutMs?: number;
}

/** Runs a program, named by its file in test/programs or by a path. */
export function runProgram(program: string, options: ProgramOptions = {}): Promise<ProgramResult> {
  const { args = [], nodeArgs = [], env = {}, cwd, timeoutMs = 120_000 } = options;
  const path = program.includes('/')
    ? program
    : fileURLToPath(new URL(`../programs/${program}.mjs`, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArgs, path, ...args], {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      ...(cwd ? { cwd } : {}),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, stdout, stderr }));
  });
}
