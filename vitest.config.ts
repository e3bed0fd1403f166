import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// What one process computes on is settled when it starts, so that each instruction set and each
// device gets a project of its own; the suites in test/parity run in all of them, one after another in
// the same processes: starting one for every suite would cost more than most suites.
const targets = [
  ...['amx', 'avx512', 'avx2', 'neon', 'portable', 'emulated-amx'].map((isa) => ({
    name: isa,
    env: { CONVLSTM_ISA: isa, CONVLSTM_DEVICE: 'cpu' },
  })),
  { name: 'javascript', env: { CONVLSTM_DEVICE: 'javascript' } },
  { name: 'cuda', env: { CONVLSTM_DEVICE: 'cuda' } },
];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: availableParallelism(), // Vitest's own choice leaves a processor idle
    testTimeout: 60_000,
    hookTimeout: 60_000,
    globalSetup: ['test/support/built.ts', 'test/support/machine.ts'],
    coverage: { include: ['src/**'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'main',
          include: ['test/**/*.test.ts'],
          exclude: ['test/parity/**', 'test/process/**'],
        },
      },
      {
        // How processes end and what they hold on to, event loop included: with nothing beside.
        extends: true,
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      ...targets.map(({ name, env }) => ({
        extends: true as const,
        test: { name, env, include: ['test/parity/**/*.test.ts'], isolate: false },
      })),
    ],
  },
});
