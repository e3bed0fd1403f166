// Vitest's global setup: what this machine can run, and a folder for the processes of this run.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { AddonInfo } from '../../binding.js';

export interface Machine {
  /** Supported values of CONVLSTM_ISA, best first; empty without the addon. */
  isas: string[];
  /** Why no GPU can be used; empty if one can. */
  whyNoGpu: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    machine: Machine;
    /** For `shared`; the same in every project. */
    sharedFolder: string;
  }
}

function inspect(): Machine {
  const program = `console.log(JSON.stringify(require('node-gyp-build')(process.cwd()).info()))`;
  const { CONVLSTM_ISA: _isa, CONVLSTM_DEVICE: _device, ...env } = process.env;
  try {
    const printed = execFileSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const info = JSON.parse(printed) as AddonInfo;
    return { isas: info.cpu.isas, whyNoGpu: info.cuda.reason };
  } catch {
    return { isas: [], whyNoGpu: 'no native binary is loaded' };
  }
}

export default function setup(project: TestProject): () => void {
  project.provide('machine', inspect());
  const folder = join(tmpdir(), `convlstm-tests-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  project.provide('sharedFolder', folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
