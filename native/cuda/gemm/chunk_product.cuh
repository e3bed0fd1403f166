// Products of the chunks in shared memory, by mma or FMA.
//
// A warp computes 16 kRowTiles x 64 outputs; with kRowTiles = 2 and 16 of depth it reads 2 KiB of
// activations and 4 KiB of weights from shared memory for 32 mma of 16x8x8.
#ifndef CONVLSTM_CUDA_GEMM_CHUNK_PRODUCT_CUH_
#define CONVLSTM_CUDA_GEMM_CHUNK_PRODUCT_CUH_

#include "cuda/gemm/chunk_loader.cuh"

namespace convlstm::cuda {

// A lane's accumulators: [tile][8 columns][mma's d fragment].
template <class T>
using Accumulators = float[T::kTiles][kColumns / 8][4];

#if CONVLSTM_CUDA_ARCH >= 800
// The high and low halves of four elements of consecutive depth, as bfloat16 pairs.
struct Bf16Halves {
  uint32_t high[2], low[2];
};
__device__ __forceinline__ Bf16Halves SplitBf16(const float4& v) {
  const auto rest = [](float value, uint32_t bits) { return value - FromBits(bits); };
  Bf16Halves split;
  split.high[0] = PackBf16(v.x, v.y);
  split.high[1] = PackBf16(v.z, v.w);
  split.low[0] = PackBf16(rest(v.x, split.high[0] << 16), rest(v.y, split.high[0] & 0xffff0000u));
  split.low[1] = PackBf16(rest(v.z, split.high[1] << 16), rest(v.w, split.high[1] & 0xffff0000u));
  return split;
}

// Splits a value into two TF32, which have 10 bits of mantissa: the high half rounded, the low half
// truncated. Four instructions; cvt.rna, which is emulated, takes nine for both. Rounding the low
// half gains nothing: sums of 1152 products are off by 7.1e-8, or 7.5e-8 with it, because the
// product of the two low halves is missing. A NaN that the addition turns into 0 stays in the low
// half.
__device__ __forceinline__ void SplitTf32(float value, uint32_t& high, uint32_t& low) {
  constexpr uint32_t kHalf = 0x1000, kMask = 0xffffe000;
  high = (Bits(value) + kHalf) & kMask;
  low = Bits(value - FromBits(high)) & kMask;
}

// Three products of depth 16. Tensor cores truncate their sums instead of rounding them; over 100
// products of depth 8 that amounts to ten times the error of a float32 sum. So every 16 of depth
// are accumulated from zero and added here.
__device__ __forceinline__ void AddTf32x3(float (&sum)[4], const uint32_t (&high)[2][4],
                                          const uint32_t (&low)[2][4],
                                          const uint32_t (&b_high)[2][2],
                                          const uint32_t (&b_low)[2][2]) {
  float part[4] = {};
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    MmaTf32(part, low[k], b_high[k]);
    MmaTf32(part, high[k], b_low[k]);
  }
#pragma unroll
  for (int k = 0; k < 2; ++k) MmaTf32(part, high[k], b_high[k]);
#pragma unroll
  for (int k = 0; k < 4; ++k) sum[k] += part[k];
}
#endif

// Multiplies a chunk. The order of the depth within mma is free as long as both operands agree: a
// lane takes four consecutive elements, one read of 16 bytes for two mma of depth 8 or one of 16.
template <class T>
struct ChunkProduct {
  static constexpr int kTiles = kColumns / 8;

  // Elements 16 step + 4 (lane % 4) to + 3 of rows lane / 4 and lane / 4 + 8 of every 16.
  __device__ __forceinline__ static void ReadRows(const uint32_t* activations, int step,
                                                  float4 (&rows)[T::kRowTiles][2]) {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane / 4;
    const int piece = Swizzle(g, step * 4 + lane % 4) * 4;
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        rows[i][half] = *reinterpret_cast<const float4*>(activations +
                                                         (i * 16 + half * 8 + g) * kDepth + piece);
      }
    }
  }

  __device__ __forceinline__ static uint4 ReadUnit(const uint32_t* weights, int tile, int unit) {
    constexpr int kUnits = kDepth / UnitDepth(T::kMath);
    const int lane = static_cast<int>(threadIdx.x) & 31;
    return reinterpret_cast<const uint4*>(weights)[(tile * kUnits + unit) * 32 + lane];
  }

  __device__ __forceinline__ static void Run(const uint32_t* activations, const uint32_t* weights,
                                             Accumulators<T>& sums) {
    const int warp = static_cast<int>(threadIdx.x) >> 5;
    activations += warp % T::kWarpsM * (16 * T::kRowTiles) * kDepth;
    weights += warp / T::kWarpsM * ChunkWords(T::kMath);
    if constexpr (T::kMath == Math::kFma) {
      RunFma(activations, weights, sums);
    } else {
#if CONVLSTM_CUDA_ARCH >= 800
      // Not unrolled for three TF32 products: the large tile would exceed the registers.
#pragma unroll(T::kMath == Math::kTf32x3 ? 1 : kDepth / 16)
      for (int step = 0; step < kDepth / 16; ++step) {
        float4 rows[T::kRowTiles][2];
        ReadRows(activations, step, rows);
        if constexpr (T::kMath == Math::kTf32x3) RunTf32x3(rows, weights, step, sums);
        if constexpr (T::kMath == Math::kBf16x3) RunBf16x3(rows, weights, step, sums);
        if constexpr (T::kMath == Math::kBf16) RunBf16(rows, weights, step, sums);
      }
#endif
    }
  }

  // Without tensor cores, with mma's accumulator layout. A lane reads four elements of depth of its
  // rows and of its two columns of every eight.
  __device__ __forceinline__ static void RunFma(const uint32_t* activations,
                                                const uint32_t* weights, Accumulators<T>& sums) {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane / 4, t = lane % 4;
    const auto dot = [](const float4& a, const float4& b, float sum) {
      sum = fmaf(a.x, b.x, sum);
      sum = fmaf(a.y, b.y, sum);
      sum = fmaf(a.z, b.z, sum);
      return fmaf(a.w, b.w, sum);
    };
#pragma unroll 1
    for (int quad = 0; quad < kDepth / 4; ++quad) {
      float4 rows[T::kRowTiles][2];
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          rows[i][half] = *reinterpret_cast<const float4*>(
              activations + (i * 16 + half * 8 + g) * kDepth + Swizzle(g, quad) * 4);
        }
      }
#pragma unroll
      for (int j = 0; j < kTiles; ++j) {
        const float4* columns =
            reinterpret_cast<const float4*>(weights) + (j * 2 + quad / 4) * 32 + quad % 4 * 8;
        const float4 left = columns[2 * t], right = columns[2 * t + 1];
#pragma unroll
        for (int i = 0; i < T::kRowTiles; ++i) {
          sums[i][j][0] = dot(rows[i][0], left, sums[i][j][0]);
          sums[i][j][1] = dot(rows[i][0], right, sums[i][j][1]);
          sums[i][j][2] = dot(rows[i][1], left, sums[i][j][2]);
          sums[i][j][3] = dot(rows[i][1], right, sums[i][j][3]);
        }
      }
    }
  }

#if CONVLSTM_CUDA_ARCH >= 800
  __device__ __forceinline__ static void RunTf32x3(const float4 (&rows)[T::kRowTiles][2],
                                                   const uint32_t* weights, int step,
                                                   Accumulators<T>& sums) {
    uint32_t high[T::kRowTiles][2][4], low[T::kRowTiles][2][4];
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float4& v = rows[i][half];
        SplitTf32(v.x, high[i][0][half], low[i][0][half]);
        SplitTf32(v.y, high[i][0][half + 2], low[i][0][half + 2]);
        SplitTf32(v.z, high[i][1][half], low[i][1][half]);
        SplitTf32(v.w, high[i][1][half + 2], low[i][1][half + 2]);
      }
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const uint4 unit = ReadUnit(weights, j, step);
      uint32_t b_high[2][2], b_low[2][2];
      SplitTf32(FromBits(unit.x), b_high[0][0], b_low[0][0]);
      SplitTf32(FromBits(unit.y), b_high[0][1], b_low[0][1]);
      SplitTf32(FromBits(unit.z), b_high[1][0], b_low[1][0]);
      SplitTf32(FromBits(unit.w), b_high[1][1], b_low[1][1]);
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) AddTf32x3(sums[i][j], high[i], low[i], b_high, b_low);
    }
  }

  __device__ __forceinline__ static void SplitRows(const float4 (&rows)[T::kRowTiles][2],
                                                   uint32_t (&high)[T::kRowTiles][4],
                                                   uint32_t (&low)[T::kRowTiles][4]) {
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Bf16Halves split = SplitBf16(rows[i][half]);
        high[i][half] = split.high[0];
        high[i][half + 2] = split.high[1];
        low[i][half] = split.low[0];
        low[i][half + 2] = split.low[1];
      }
    }
  }

  __device__ __forceinline__ static void RunBf16x3(const float4 (&rows)[T::kRowTiles][2],
                                                   const uint32_t* weights, int step,
                                                   Accumulators<T>& sums) {
    uint32_t high[T::kRowTiles][4], low[T::kRowTiles][4];
    SplitRows(rows, high, low);
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const uint4 unit = ReadUnit(weights, j, step);
      const uint32_t b_high[2] = {unit.x, unit.y}, b_low[2] = {unit.z, unit.w};
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], low[i], b_high);
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], high[i], b_low);
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], high[i], b_high);
    }
  }

  __device__ __forceinline__ static void RoundRows(const float4 (&rows)[T::kRowTiles][2],
                                                   uint32_t (&a)[T::kRowTiles][4]) {
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float4& v = rows[i][half];
        a[i][half] = PackBf16(v.x, v.y);
        a[i][half + 2] = PackBf16(v.z, v.w);
      }
    }
  }

  __device__ __forceinline__ static void RunBf16(const float4 (&rows)[T::kRowTiles][2],
                                                 const uint32_t* weights, int step,
                                                 Accumulators<T>& sums) {
    uint32_t a[T::kRowTiles][4];
    RoundRows(rows, a);
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const uint4 unit = ReadUnit(weights, j, 0);
      const uint32_t b[2] = {step == 0 ? unit.x : unit.z, step == 0 ? unit.y : unit.w};
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], a[i], b);
    }
  }
#endif
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_CHUNK_PRODUCT_CUH_
