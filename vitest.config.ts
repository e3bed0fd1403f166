import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// A process keeps its instruction set and device, so that each of them is a project. The suites in
// test/parity run in every project, without isolation: a process for each suite would take longer than
// most suites.
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
        // One at a time: these tests are about the end of processes, leaks and the event loop.
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
