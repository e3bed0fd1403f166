// The inner product of Winograd, per Highway target: tiles by the weights of one group.

#if defined(CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PRODUCT_INL_H_
#undef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PRODUCT_INL_H_
#else
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PRODUCT_INL_H_
#endif

#include <cstddef>

#include "cpu/simd/simd.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;

constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(float);
constexpr size_t kRow = 4 * kLanes;
constexpr size_t kCacheLine = 64;

// Prefetches into L1 only: a stream that is read once would evict V and M from L2.
HWY_INLINE void PrefetchOnce(const void* address) {
#if HWY_COMPILER_MSVC
  hwy::Prefetch(address);
#else
  __builtin_prefetch(address, 0, 0);
#endif
}

// Tiles multiplied at once. Accumulators, one broadcast per tile and one vector of weights fill 32
// registers (24 + 6 + 1) or 16 (12 + 3 + 1).
constexpr size_t kTiles = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_EMU128 ? 3 : 6;

// Depth that is summed in registers before it joins the other parts. A float32 sum over all of 64
// channels loses twice as much as the transforms do: 1.96 times a direct convolution's error,
// against 1.48 in parts of 32 and 1.26 in parts of 16. The weights of a part, 8 KiB, stay in L1 for
// all tiles of a block. Parts are shorter without fused multiply-adds.
constexpr size_t kPartDepth = HWY_TARGET == HWY_EMU128 ? 16 : 32;

// m[tile][0..kRow) = sum of v[tile][k] * w[k][0..kRow) over k < depth; `accumulate`: += .
template <size_t kCount>
HWY_INLINE void MultiplyTiles(const float* HWY_RESTRICT v, size_t v_stride,
                              const float* HWY_RESTRICT w, size_t depth, float* HWY_RESTRICT m,
                              bool accumulate) {
  const Tag d;
  Vector sums[kCount][4];
  CONVLSTM_UNROLL
  for (size_t t = 0; t < kCount; ++t) {
    CONVLSTM_UNROLL
    for (size_t q = 0; q < 4; ++q) sums[t][q] = hn::Zero(d);
  }
  for (size_t k = 0; k < depth; ++k, w += kRow) {
    Vector values[kCount];
    CONVLSTM_UNROLL
    for (size_t t = 0; t < kCount; ++t) values[t] = hn::Set(d, v[t * v_stride + k]);
    CONVLSTM_UNROLL
    for (size_t q = 0; q < 4; ++q) {
      const auto weights = hn::Load(d, w + q * kLanes);
      CONVLSTM_UNROLL
      for (size_t t = 0; t < kCount; ++t) {
        sums[t][q] = hn::MulAdd(values[t], weights, sums[t][q]);
      }
    }
  }
  CONVLSTM_UNROLL
  for (size_t t = 0; t < kCount; ++t) {
    CONVLSTM_UNROLL
    for (size_t q = 0; q < 4; ++q) {
      float* out = m + t * kRow + q * kLanes;
      hn::Store(accumulate ? hn::Add(hn::Load(d, out), sums[t][q]) : sums[t][q], d, out);
    }
  }
}

static HWY_NOINLINE void Multiply(size_t count, const float* v, size_t v_stride, const float* w,
                                  size_t depth, float* m, bool accumulate) {
  switch (count) {
    case 1:
      return MultiplyTiles<1>(v, v_stride, w, depth, m, accumulate);
    case 2:
      return MultiplyTiles<2>(v, v_stride, w, depth, m, accumulate);
    case 3:
      return MultiplyTiles<3>(v, v_stride, w, depth, m, accumulate);
#if HWY_TARGET != HWY_AVX2 && HWY_TARGET != HWY_EMU128
    case 4:
      return MultiplyTiles<4>(v, v_stride, w, depth, m, accumulate);
    case 5:
      return MultiplyTiles<5>(v, v_stride, w, depth, m, accumulate);
    case 6:
      return MultiplyTiles<6>(v, v_stride, w, depth, m, accumulate);
#endif
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PRODUCT_INL_H_
