// The contestants: processes that speak the protocol of peers/protocol.mjs.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile } from './programs.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string[]} command
 * @property {Record<string, string>} env
 * @property {string[]} variants           the fastest counts
 * @property {'float32' | 'bfloat16'} products
 */

export const PRECISIONS = /** @type {const} */ (['highest', 'high', 'medium']);

// Environment variables that limit oneDNN and PyTorch to an instruction set; onnxruntime has none.
const HELD_TO = {
  avx512: { DNNL_MAX_CPU_ISA: 'AVX512_CORE_BF16', ATEN_CPU_CAPABILITY: 'avx512' },
  avx2: { DNNL_MAX_CPU_ISA: 'AVX2', ATEN_CPU_CAPABILITY: 'avx2' },
  portable: { DNNL_MAX_CPU_ISA: 'SSE41', ATEN_CPU_CAPABILITY: 'default' },
};

/**
 * @param {{ threads: number, isa: string | undefined, quick: boolean }} options
 * @returns {{ contestants: Contestant[], absent: string[] }}
 */
export function findContestants({ threads, isa, quick }) {
  const env = {
    BENCH_THREADS: String(threads),
    CONVLSTM_THREADS: String(threads),
    OMP_NUM_THREADS: String(threads),
    ...(isa ? { CONVLSTM_ISA: isa, ...HELD_TO[isa] } : {}),
  };
  /** @type {Contestant[]} */
  const contestants = [
    {
      name: 'onnxruntime',
      command: [process.execPath, `${here}peers/onnxruntime.mjs`],
      env,
      variants: ['unrolled', 'stepped'],
      products: 'float32',
    },
    ...PRECISIONS.map((precision) => ({
      name: `convlstm ${precision}`,
      command: [process.execPath, `${here}convlstm.mjs`],
      env,
      variants: [precision],
      products: /** @type {const} */ (precision === 'medium' ? 'bfloat16' : 'float32'),
    })),
  ];
  if (quick) return { contestants, absent: ['oneDNN and PyTorch are left out by --quick'] };

  const absent = [];
  // Reference code of minutes a pass: bfloat16 of both peers without AVX-512, and oneDNN's blocks of
  // 16 channels (C1: 145 s).
  const avx512 = readFileSync('/proc/cpuinfo', 'utf8').includes(' avx512bw ');
  if (!avx512) {
    absent.push('bfloat16 of oneDNN and PyTorch, blocks of 16 of oneDNN are left out: no AVX-512');
  }
  const dnnl = compile(
    'peers/onednn.cc',
    ['-ffast-math', '-fopenmp', '-ldnnl'],
    ['peers/onednn_model.h', 'peers/onednn_conv2d.h'],
  );
  if ('reason' in dnnl) {
    absent.push(`oneDNN is left out: ${dnnl.reason} (Debian: libdnnl-dev)`);
  } else {
    const common = { command: [dnnl.program], env };
    contestants.push({
      name: 'oneDNN float32',
      ...common,
      variants: [...(avx512 ? ['f32-blocked16'] : []), 'f32-blocked8', 'f32-nhwc', 'f32-winograd'],
      products: 'float32',
    });
    if (avx512) {
      contestants.push({
        name: 'oneDNN bfloat16',
        ...common,
        variants: ['bf16-blocked16', 'bf16-nhwc'],
        products: 'bfloat16',
      });
    }
  }
  const python = ['python3', '/usr/bin/python3'].find(
    (program) => spawnSync(program, ['-c', 'import torch']).status === 0,
  );
  if (!python) {
    absent.push('PyTorch is left out: no python3 has it (Debian: python3-torch)');
  } else {
    const common = { command: [python, `${here}peers/pytorch.py`], env };
    contestants.push({
      name: 'PyTorch float32',
      ...common,
      variants: ['eager', 'eager-nhwc', 'hoisted', 'scripted', 'traced'],
      products: 'float32',
    });
    if (avx512) {
      contestants.push({
        name: 'PyTorch bfloat16',
        ...common,
        variants: ['bf16', 'bf16-nhwc'],
        products: 'bfloat16',
      });
    }
  }
  return { contestants, absent };
}
