import { defineConfig } from 'vitest/config';

// What one process computes on is settled when it starts, so that each instruction set and each
// device gets a project of its own; the suites in test/parity run in all of them.
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
    testTimeout: 60_000,
    hookTimeout: 60_000,
    globalSetup: ['test/support/machine.ts'],
    coverage: { include: ['src/**'] },
    projects: [
      {
        extends: true,
        test: { name: 'main', include: ['test/**/*.test.ts'], exclude: ['test/parity/**'] },
      },
      ...targets.map(({ name, env }) => ({
        extends: true as const,
        test: { name, env, include: ['test/parity/**/*.test.ts'] },
      })),
    ],
  },
});
