// Products of bfloat16 pairs by vdpbf16ps, which Highway 1.0 does not have. Zen 4 runs it at the
// rate of float32 multiply-adds, so at twice the products.
#include "cpu/conv_lstm_winograd_tile.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <cstring>

#if defined(_MSC_VER)
#define CONVLSTM_TARGET_BFLOAT16
#else
#define CONVLSTM_TARGET_BFLOAT16 __attribute__((target("avx512f,avx512bf16")))
#endif

namespace convlstm::cpu {
namespace {

constexpr size_t kRow = 64;

CONVLSTM_TARGET_BFLOAT16 inline __m512bh Pairs(const uint16_t* pairs) {
  return (__m512bh)_mm512_load_si512(pairs);
}

CONVLSTM_TARGET_BFLOAT16 inline __m512bh BroadcastPair(const uint16_t* pair) {
  int32_t bits;
  std::memcpy(&bits, pair, sizeof(bits));
  return (__m512bh)_mm512_set1_epi32(bits);
}

template <size_t kCount>
CONVLSTM_TARGET_BFLOAT16 void MultiplyTiles(const uint16_t* v, size_t v_stride, const uint16_t* w,
                                            size_t depth, float* m, bool accumulate) {
  __m512 sums[kCount][4];
#pragma GCC unroll 8
  for (size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; ++q) sums[t][q] = _mm512_setzero_ps();
  }
  for (size_t k = 0; k < depth; k += 2, w += 2 * kRow) {
    __m512bh values[kCount];
#pragma GCC unroll 8
    for (size_t t = 0; t < kCount; ++t) values[t] = BroadcastPair(v + t * v_stride + k);
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; ++q) {
      const __m512bh weights = Pairs(w + 2 * (q * 16));
#pragma GCC unroll 8
      for (size_t t = 0; t < kCount; ++t) {
        sums[t][q] = _mm512_dpbf16_ps(sums[t][q], values[t], weights);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; ++q) {
      float* out = m + t * kRow + q * 16;
      const __m512 before = accumulate ? _mm512_load_ps(out) : _mm512_setzero_ps();
      _mm512_store_ps(out, _mm512_add_ps(before, sums[t][q]));
    }
  }
}

}  // namespace

void MultiplyBfloat16(size_t rows, const uint16_t* v, size_t v_stride, const uint16_t* w,
                      size_t depth, float* m, bool accumulate) {
  switch (rows) {
    case 1:
      return MultiplyTiles<1>(v, v_stride, w, depth, m, accumulate);
    case 2:
      return MultiplyTiles<2>(v, v_stride, w, depth, m, accumulate);
    case 3:
      return MultiplyTiles<3>(v, v_stride, w, depth, m, accumulate);
    case 4:
      return MultiplyTiles<4>(v, v_stride, w, depth, m, accumulate);
    case 5:
      return MultiplyTiles<5>(v, v_stride, w, depth, m, accumulate);
    case 6:
      return MultiplyTiles<6>(v, v_stride, w, depth, m, accumulate);
  }
}

}  // namespace convlstm::cpu
#endif
