// The target of the suites in test/parity: vitest.config.ts sets it by environment variables.
import { describe, expect, inject, it } from 'vitest';
import { backendInfo } from '../../src/index.js';

const isa = process.env['CONVLSTM_ISA'];
const device = process.env['CONVLSTM_DEVICE'] ?? 'cpu';

/** Emulated tiles are slow: suites use fewer and smaller cases. */
export const emulated = isa === 'emulated-amx';

export const targetName = device === 'cpu' ? `cpu, ${isa}` : device;

/** Why this machine lacks the target; empty if it has it. */
function whyNot(): string {
  const { isas, whyNoGpu } = inject('machine');
  if (device.startsWith('cuda')) return whyNoGpu;
  if (device !== 'cpu') return '';
  return (emulated ? isas.length > 0 : isas.includes(isa ?? '')) ? '' : `no ${isa}`;
}

/**
 * `describe` on the target of this process, skipped by name if the machine lacks it. With
 * CONVLSTM_REQUIRE_CUDA=1 a missing GPU fails instead.
 */
export function describeOnTarget(name: string, suite: () => void): void {
  const required = device.startsWith('cuda') && process.env['CONVLSTM_REQUIRE_CUDA'] === '1';
  describe.skipIf(!required && whyNot() !== '')(`${name} [${targetName}]`, () => {
    it('is available', () => {
      if (whyNot()) throw new Error(`${targetName} is not available: ${whyNot()}`);
      if (device === 'cpu') expect(backendInfo().cpu.isa).toBe(isa);
    });
    suite();
  });
}
