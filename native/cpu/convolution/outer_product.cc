#include "cpu/convolution/outer_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/outer_product.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <utility>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using F32 = hn::ScalableTag<float>;

// Of 32 registers 24 sums, 4 vectors and a broadcast; of 16 registers 12 sums, 3 broadcasts and a
// vector.
constexpr bool kManyRegisters = HWY_TARGET != HWY_AVX2 && HWY_TARGET != HWY_EMU128;
using MostValues = std::array<int64_t, OuterProductKernel::kMaxVectors>;
constexpr MostValues kMostValues =
    kManyRegisters ? MostValues{12, 12, 8, 6} : MostValues{6, 6, 4, 3};

template <SumProducts kHow, size_t kVectors, size_t kValues>
HWY_NOINLINE void AddProducts(const OuterProducts& p, float* HWY_RESTRICT sums) {
  const F32 d;
  using V = hn::Vec<F32>;
  constexpr size_t kLanes = HWY_LANES(float);
  V sum[kValues][kVectors];
  CONVLSTM_UNROLL
  for (size_t k = 0; k < kValues; ++k) {
    CONVLSTM_UNROLL
    for (size_t v = 0; v < kVectors; ++v) {
      sum[k][v] = kHow == SumProducts::kApart ? hn::Zero(d)
                                              : hn::Load(d, sums + (k * kVectors + v) * kLanes);
    }
  }
  for (int64_t y = 0; y < p.rows; ++y) {
    const float* HWY_RESTRICT left = p.left + y * p.left_row;
    const float* HWY_RESTRICT right = p.right + y * p.right_row;
    for (int64_t x = 0; x < p.points; ++x, left += p.left_point, right += p.right_point) {
      V vectors[kVectors];
      CONVLSTM_UNROLL
      for (size_t v = 0; v < kVectors; ++v) vectors[v] = hn::LoadU(d, right + v * kLanes);
      CONVLSTM_UNROLL
      for (size_t k = 0; k < kValues; ++k) {
        const V value = hn::Set(d, left[k]);
        CONVLSTM_UNROLL
        for (size_t v = 0; v < kVectors; ++v) sum[k][v] = hn::MulAdd(value, vectors[v], sum[k][v]);
      }
    }
  }
  CONVLSTM_UNROLL
  for (size_t k = 0; k < kValues; ++k) {
    CONVLSTM_UNROLL
    for (size_t v = 0; v < kVectors; ++v) {
      float* const to = sums + (k * kVectors + v) * kLanes;
      hn::Store(kHow == SumProducts::kApart ? hn::Add(hn::Load(d, to), sum[k][v]) : sum[k][v], d,
                to);
    }
  }
}

template <SumProducts kHow, size_t kVectors, size_t... kIndex>
AddProductsFunction SelectValues(int64_t values, std::index_sequence<kIndex...>) {
  static constexpr AddProductsFunction kTable[] = {AddProducts<kHow, kVectors, kIndex + 1>...};
  return kTable[values - 1];
}

template <SumProducts kHow>
AddProductsFunction SelectVectors(int64_t vectors, int64_t values) {
  switch (vectors) {
    case 1:
      return SelectValues<kHow, 1>(values, std::make_index_sequence<kMostValues[0]>());
    case 2:
      return SelectValues<kHow, 2>(values, std::make_index_sequence<kMostValues[1]>());
    case 3:
      return SelectValues<kHow, 3>(values, std::make_index_sequence<kMostValues[2]>());
    default:
      return SelectValues<kHow, 4>(values, std::make_index_sequence<kMostValues[3]>());
  }
}

AddProductsFunction Select(SumProducts how, int64_t vectors, int64_t values) {
  return how == SumProducts::kApart ? SelectVectors<SumProducts::kApart>(vectors, values)
                                    : SelectVectors<SumProducts::kOn>(vectors, values);
}

OuterProductKernel OuterProductOfTarget() { return {HWY_LANES(float), kMostValues, Select}; }

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

OuterProductKernel GetOuterProductKernel(Isa isa) {
  return CONVLSTM_SIMD(isa, OuterProductOfTarget)();
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
