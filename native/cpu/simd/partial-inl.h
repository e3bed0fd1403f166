// Loads and stores of a vector's first lanes that touch no other memory, which other threads may
// own. Without masked instructions (NEON, portable) Highway's MaskedLoad reads the whole vector and
// its BlendedStore writes the neighbours back.
#if defined(CONVLSTM_CPU_SIMD_PARTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_SIMD_PARTIAL_INL_H_
#undef CONVLSTM_CPU_SIMD_PARTIAL_INL_H_
#else
#define CONVLSTM_CPU_SIMD_PARTIAL_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

// `count` is less than the lanes of `d`; the other lanes are zero.
template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> LoadFirst(D d, const float* from, size_t count) {
#if HWY_TARGET == HWY_NEON || HWY_TARGET == HWY_EMU128
  HWY_ALIGN float lanes[hwy::HWY_NAMESPACE::MaxLanes(d)] = {};
  std::copy_n(from, count, lanes);
  return hwy::HWY_NAMESPACE::Load(d, lanes);
#else
  return hwy::HWY_NAMESPACE::MaskedLoad(hwy::HWY_NAMESPACE::FirstN(d, count), d, from);
#endif
}

template <class D>
HWY_INLINE void StoreFirst(hwy::HWY_NAMESPACE::Vec<D> values, D d, float* to, size_t count) {
#if HWY_TARGET == HWY_NEON || HWY_TARGET == HWY_EMU128
  HWY_ALIGN float lanes[hwy::HWY_NAMESPACE::MaxLanes(d)];
  hwy::HWY_NAMESPACE::Store(values, d, lanes);
  std::copy_n(lanes, count, to);
#else
  hwy::HWY_NAMESPACE::BlendedStore(values, hwy::HWY_NAMESPACE::FirstN(d, count), d, to);
#endif
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_SIMD_PARTIAL_INL_H_
