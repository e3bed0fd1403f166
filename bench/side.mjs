// A side of the bench: a child process that speaks the protocol. Samples taken while other processes
// used the processors are marked.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const TICK = 0.01; // Linux counts processor time in hundredths of a second for every program

// A quiet machine is required before each sample: threads of the last side spin on (onnxruntime's for
// up to 30 ms), and other programs may run.
const QUIET_MS = 50;
const LONGEST_WAIT_MS = 2000;

/** Seconds that all processors have been busy, time stolen by the hypervisor included. */
export function busySeconds() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK;
}

/** Seconds of processor time of one process, all its threads. @param {number} pid */
function processSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

function ownSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Waits until no other program computes, for two seconds at most. */
export async function quiet() {
  const start = performance.now();
  for (;;) {
    const before = busySeconds() - ownSeconds();
    await sleep(QUIET_MS);
    if (busySeconds() - ownSeconds() - before < 2 * TICK) return;
    if (performance.now() - start > LONGEST_WAIT_MS) return;
  }
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export class Side {
  /** @type {import('node:child_process').ChildProcessByStdio<import('node:stream').Writable, import('node:stream').Readable, null>} */
  #child;
  #lines;

  /**
   * @param {string[]} command program and arguments
   * @param {{ cwd: string, env: Record<string, string> }} options
   */
  constructor([program, ...args], { cwd, env }) {
    this.#child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // A side that has ended answers the next question with the end of its output.
    this.#child.on('error', () => {});
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Rejects with what the side answered after `error`. @param {...(string | number)} words */
  async ask(...words) {
    this.#child.stdin.write(`${words.join(' ')}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`ended during: ${words.join(' ')}`);
    const [status, ...rest] = value.split(' ');
    if (status !== 'ok') throw new Error(rest.join(' '));
    return rest.join(' ').trim();
  }

  /**
   * Runs `count` times. A sample is clean when other processes used less than 5% of a processor
   * meanwhile (and a tick and a half, the accuracy of the clocks).
   * @param {number} count
   */
  async sample(count) {
    const pid = /** @type {number} */ (this.#child.pid);
    await quiet();
    const start = performance.now();
    const before = busySeconds() - processSeconds(pid) - ownSeconds();
    const ms = (await this.ask('run', count)).split(' ').map(Number);
    const foreign = busySeconds() - processSeconds(pid) - ownSeconds() - before;
    const elapsed = (performance.now() - start) / 1000;
    return { ms, clean: foreign < 0.05 * elapsed + 0.015 };
  }

  close() {
    this.#child.stdin.end();
  }
}
