// Loads and stores of all or the first lanes of a float32 vector, from and to float32, gates in
// SavedFormat::k16Bits (fixed point), and bfloat16.
#if defined(CONVLSTM_CPU_SIMD_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_SIMD_LANES_INL_H_
#undef CONVLSTM_CPU_SIMD_LANES_INL_H_
#else
#define CONVLSTM_CPU_SIMD_LANES_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "cpu/simd/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr float kFixedOne = 32767.0f;
constexpr int32_t kFixedNaN = -32768;

template <class D>
HWY_INLINE hn::Vec<hn::Rebind<int16_t, D>> ToFixed16(D d, hn::Vec<D> gates) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<int16_t, D> d16;
  const auto fixed = hn::NearestInt(hn::Mul(gates, hn::Set(d, kFixedOne)));
  const auto is_nan = hn::RebindMask(di, hn::IsNaN(gates));
  return hn::DemoteTo(d16, hn::IfThenElse(is_nan, hn::Set(di, kFixedNaN), fixed));
}

template <class D>
HWY_INLINE hn::Vec<D> FromFixed16(D d, hn::Vec<hn::Rebind<int16_t, D>> gates) {
  const hn::RebindToSigned<D> di;
  const auto fixed = hn::PromoteTo(di, gates);
  const auto is_nan = hn::RebindMask(d, hn::Eq(fixed, hn::Set(di, kFixedNaN)));
  const auto values = hn::Mul(hn::ConvertTo(d, fixed), hn::Set(d, 1.0f / kFixedOne));
  return hn::IfThenElse(is_nan, hn::Set(d, std::numeric_limits<float>::quiet_NaN()), values);
}

// Rounds to nearest, ties to even.
template <class D>
HWY_INLINE hn::Vec<hn::Rebind<int16_t, D>> ToBfloat16(hn::Vec<D> values) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, values);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(di, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(di, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(di, 0x400000));
  const auto is_nan = hn::RebindMask(di, hn::IsNaN(values));
  return hn::DemoteTo(hn::Rebind<int16_t, D>(),
                      hn::ShiftRight<16>(hn::IfThenElse(is_nan, quiet, rounded)));
}

template <class D>
struct AllLanes {
  using V = hn::Vec<D>;

  HWY_INLINE V Load(const float* from) const { return hn::LoadU(D(), from); }
  HWY_INLINE V Load(const int16_t* from) const {
    return FromFixed16(D(), hn::LoadU(hn::Rebind<int16_t, D>(), from));
  }
  HWY_INLINE void Store(V values, float* to) const { hn::StoreU(values, D(), to); }
  HWY_INLINE void Store(V values, int16_t* to) const {
    hn::StoreU(ToFixed16(D(), values), hn::Rebind<int16_t, D>(), to);
  }
  HWY_INLINE void StoreBfloat16(V values, int16_t* to) const {
    hn::StoreU(ToBfloat16<D>(values), hn::Rebind<int16_t, D>(), to);
  }
};

// The first `count` lanes, fewer than all; the others are zero. No other memory is read or written.
template <class D>
struct FirstLanes {
  using V = hn::Vec<D>;
  using D16 = hn::Rebind<int16_t, D>;

  size_t count;

  HWY_INLINE V Load(const float* from) const { return LoadFirst(D(), from, count); }
  HWY_INLINE V Load(const int16_t* from) const {
    HWY_ALIGN int16_t lanes[hn::MaxLanes(D())] = {};
    std::copy_n(from, count, lanes);
    return FromFixed16(D(), hn::Load(D16(), lanes));
  }
  HWY_INLINE void Store(V values, float* to) const { StoreFirst(values, D(), to, count); }
  HWY_INLINE void Store(V values, int16_t* to) const {
    HWY_ALIGN int16_t lanes[hn::MaxLanes(D())];
    hn::Store(ToFixed16(D(), values), D16(), lanes);
    std::copy_n(lanes, count, to);
  }
  HWY_INLINE void StoreBfloat16(V values, int16_t* to) const {
    HWY_ALIGN int16_t lanes[hn::MaxLanes(D())];
    hn::Store(ToBfloat16<D>(values), D16(), lanes);
    std::copy_n(lanes, count, to);
  }
};

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_SIMD_LANES_INL_H_
