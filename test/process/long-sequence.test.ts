// saveEvery fits a sequence of 1,000 steps into less memory, with the same gradients.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { backendInfo } from '../../src/index.js';

const program = fileURLToPath(new URL('../programs/long-sequence.mjs', import.meta.url));
/** Gates and c of all steps take 328 MB, outputs 66 MB, Node some 100 MB. */
const kLimitKib = 350_000;

const { binary, device } = backendInfo();

/** Gradients of the sequence, in a process whose memory is limited by `ulimit -d`, in KiB. */
async function gradients(every: number, limit: number | 'unlimited') {
  const script = `ulimit -d ${limit} && exec "$0" "$@"`;
  const env = { ...process.env, NODE_OPTIONS: '', CONVLSTM_THREADS: '2' };
  const args = ['-c', script, process.execPath, program, String(every)];
  const { stdout } = await promisify(execFile)('sh', args, { env, timeout: 110_000 });
  return JSON.parse(stdout) as { digest?: string; peakBytes?: number; code?: string };
}

it.runIf(process.platform === 'linux' && binary.loaded && device === 'cpu')(
  'a sequence of 1,000 steps in little memory',
  { timeout: 240_000 },
  async () => {
    const whole = await gradients(1, 'unlimited');
    expect(await gradients(1, kLimitKib)).toEqual({ code: 'ERR_OUT_OF_MEMORY' });
    const little = await gradients(32, kLimitKib);
    expect(little.digest).toBe(whole.digest);
    expect(little.peakBytes).toBeLessThan(whole.peakBytes! / 2);
  },
);
