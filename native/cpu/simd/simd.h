// Highway's set-up: the targets that a file with hwy/foreach_target.h is compiled for, and the
// choice of one at run time. Include it first in such a file:
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "cpu/this_file.cc"
//   #include "cpu/simd/simd.h"
//   #include "hwy/foreach_target.h"
//   #include "hwy/highway.h"
//
// HWY_DYNAMIC_DISPATCH is not used: it needs Highway's library, of which only headers are taken.
#ifndef CONVLSTM_CPU_SIMD_SIMD_H_
#define CONVLSTM_CPU_SIMD_SIMD_H_

#include "cpu/simd/isa.h"

// Targets: AVX3 (our avx512), AVX2, NEON and EMU128 (portable, compiled everywhere).
#define HWY_COMPILE_ALL_ATTAINABLE
#define HWY_DISABLED_TARGETS (~(HWY_AVX3 | HWY_AVX2 | HWY_NEON | HWY_EMU128))
// Highway disables EMU128 under GCC before 12.3 because of one miscompiled 16-bit multiply (GCC bug
// 106322); this engine has none.
#define HWY_BROKEN_EMU128 0

#include "hwy/detect_targets.h"

// CONVLSTM_SIMD(isa, Function) is N_AVX2::Function, N_EMU128::Function, ...; use it under #if
// HWY_ONCE, in the namespace around HWY_NAMESPACE. Highway has no AVX3 for MSVC, nor has
// cpu_features.cc.
#if HWY_TARGETS & HWY_AVX3
#define CONVLSTM_SIMD(isa, function)               \
  (SimdIsa(isa) == Isa::kAvx512 ? N_AVX3::function \
   : SimdIsa(isa) == Isa::kAvx2 ? N_AVX2::function \
                                : N_EMU128::function)
#elif HWY_TARGETS & HWY_AVX2
#define CONVLSTM_SIMD(isa, function) \
  (SimdIsa(isa) == Isa::kAvx2 ? N_AVX2::function : N_EMU128::function)
#elif HWY_TARGETS & HWY_NEON
#define CONVLSTM_SIMD(isa, function) \
  (SimdIsa(isa) == Isa::kNeon ? N_NEON::function : N_EMU128::function)
#else
#define CONVLSTM_SIMD(isa, function) N_EMU128::function
#endif

// Before a loop over an array of vectors: GCC keeps such an array in registers only if the loop is
// unrolled early. Empty under sanitizers, whose checks would multiply until a file takes a compiler
// minutes.
#if CONVLSTM_SANITIZED || defined(_MSC_VER)
#define CONVLSTM_UNROLL
#elif defined(__clang__)
#define CONVLSTM_UNROLL _Pragma("unroll")
#else
#define CONVLSTM_UNROLL _Pragma("GCC unroll 16")
#endif

#endif  // CONVLSTM_CPU_SIMD_SIMD_H_
