// What the suites in test/parity compute on in this process; vitest.config.ts sets it by environment.
import { describe, expect, inject, it } from 'vitest';

const isa = process.env['CONVLSTM_ISA'];
const device = process.env['CONVLSTM_DEVICE'] ?? 'cpu';

/** Emulated tiles are slow: suites give them fewer and smaller cases. */
export const emulated = isa === 'emulated-amx';

export const targetName = device === 'cpu' ? `cpu, ${isa}` : device;

function isAvailable(): boolean {
  const { isas, cudaDevices } = inject('machine');
  if (device === 'cuda') return cudaDevices > 0;
  if (device === 'cpu') return emulated ? isas.length > 0 : isas.includes(isa ?? '');
  return true;
}

/**
 * `describe` on the target of this process, skipped by name where the machine lacks it. With
 * CONVLSTM_REQUIRE_CUDA=1 a lack of CUDA fails instead.
 */
export function describeOnTarget(name: string, suite: () => void): void {
  const required = device === 'cuda' && process.env['CONVLSTM_REQUIRE_CUDA'] === '1';
  describe.skipIf(!required && !isAvailable())(`${name} [${targetName}]`, () => {
    it('is there', () => {
      expect(isAvailable()).toBe(true);
    });
    suite();
  });
}
