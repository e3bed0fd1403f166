// CONVLSTM_INLINE, per Highway target: HWY_INLINE, but HWY_NOINLINE for emulated vectors. Each of
// their operations is a loop over lanes: some hundred of them in one function take a compiler
// minutes, most of all with sanitizers.

#if defined(CONVLSTM_CPU_SIMD_INLINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_SIMD_INLINE_INL_H_
#undef CONVLSTM_CPU_SIMD_INLINE_INL_H_
#else
#define CONVLSTM_CPU_SIMD_INLINE_INL_H_
#endif

#include "hwy/highway.h"

#undef CONVLSTM_INLINE
#if HWY_TARGET == HWY_EMU128
#define CONVLSTM_INLINE HWY_NOINLINE
#else
#define CONVLSTM_INLINE HWY_INLINE
#endif

#endif  // CONVLSTM_CPU_SIMD_INLINE_INL_H_
