// The gradient of a convolution's weights: an implicit GEMM whose inner dimension is the pixels.
//
//   rows (M)     (tap, channel of x), a tile of 32 kWarpsM
//   columns (N)  output channels, a tile of 64 kWarpsN
//   depth (K)    the pixels of a slice of a step, 32 at a time, from the last step to the first
//
// Both operands keep their memory layout, channels innermost: a lane reads 16 bytes, four rows or
// columns of one pixel, and uses them in four fragments, because the assignment of tile rows to
// fragment rows is free. Per 16 of depth a warp reads 2 KiB and 4 KiB for its 32 x 64 outputs, as
// the forward kernel does: 10.7 operations a byte, three times as many with three TF32 products. A
// tile of 128 x 128 reads 32 KiB of memory for 2^20 operations (64 x 128: 24 KiB for 2^19). Of 204
// to 246 registers (sm_90) 64 are accumulators, which leaves room for one block of the large tile
// per multiprocessor, or two of the small one.
//
// Blocks split the pixels of a step, and each processes its share of every step; its partial sums
// stay in memory between launches. So the bits depend on the shape and on the number of
// multiprocessors, but not on how steps are grouped into launches. No atomic additions.
#ifndef CONVLSTM_CUDA_CONVOLUTION_WEIGHT_GRADIENT_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_WEIGHT_GRADIENT_CUH_

#include "cuda/convolution/pixel_loader.cuh"
#include "cuda/gemm/implicit_gemm.cuh"

namespace convlstm::cuda {

// A lane's accumulators of a warp's 32 x 64 outputs, [16 rows][8 columns][mma's d fragment]. With
// g = lane / 4, row g (+ 8) of fragment i is row 4g + 2i (+ 1) of the warp; column n of fragment j
// is column 32 (j / 4) + 4n + j % 4.
using GradientSums = float[2][8][4];

// Reads four elements of depth, 4 apart, of four adjacent rows or columns.
template <int kPitch>
__device__ __forceinline__ void ReadPixels(const uint32_t* from, float (&values)[4][4]) {
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const float4 v = *reinterpret_cast<const float4*>(from + 4 * k * kPitch);
    values[0][k] = v.x, values[1][k] = v.y, values[2][k] = v.z, values[3][k] = v.w;
  }
}

template <class T>
struct PixelProduct {
  __device__ __forceinline__ static void Run(const uint32_t* rows, const uint32_t* columns,
                                             GradientSums& sums) {
    const int warp = static_cast<int>(threadIdx.x) >> 5;
    const int row_piece = warp % T::kWarpsM * 8, column_piece = warp / T::kWarpsM * 16;
    if constexpr (T::kMath == Math::kFma) {
      RunFma(rows, columns, row_piece, column_piece, sums);
    } else {
#if CONVLSTM_CUDA_ARCH >= 800
      // The swizzle has a period of 4 pixels and 8 pieces.
      const int pixel = static_cast<int>(threadIdx.x) % 4;
      const int piece = PixelSwizzle(pixel, (static_cast<int>(threadIdx.x) & 31) / 4);
      rows += pixel * T::kRows + (row_piece + piece) * 4;
      columns += pixel * T::kBlockColumns + (column_piece + piece) * 4;
      if constexpr (T::kMath == Math::kTf32x3) {
        RunTf32x3(rows, columns, sums);
      } else {
        RunBf16(rows, columns, sums);
      }
#endif
    }
  }

  // Without tensor cores, with mma's accumulator layout.
  __device__ __forceinline__ static void RunFma(const uint32_t* rows, const uint32_t* columns,
                                                int row_piece, int column_piece,
                                                GradientSums& sums) {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane / 4, t = lane % 4;
    const auto read = [](const uint32_t* from, int pixel, int piece) {
      return *reinterpret_cast<const float4*>(from + PixelSwizzle(pixel, piece) * 4);
    };
#pragma unroll 1
    for (int pixel = 0; pixel < kDepth; ++pixel) {
      const float4 v = read(rows + pixel * T::kRows, pixel, row_piece + g);
      const float a[2][2] = {{v.x, v.y}, {v.z, v.w}};
#pragma unroll
      for (int n = 0; n < 4; ++n) {  // column 2t + n % 2 of four fragments
        const float4 w = read(columns + pixel * T::kBlockColumns, pixel,
                              column_piece + n / 2 * 8 + 2 * t + n % 2);
        const float b[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
        for (int e = 0; e < 4; ++e) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
              float& sum = sums[i][n / 2 * 4 + e][half * 2 + n % 2];
              sum = fmaf(a[i][half], b[e], sum);
            }
          }
        }
      }
    }
  }

#if CONVLSTM_CUDA_ARCH >= 800
  __device__ __forceinline__ static void RunTf32x3(const uint32_t* rows, const uint32_t* columns,
                                                   GradientSums& sums) {
#pragma unroll 1
    for (int step = 0; step < kDepth / 16; ++step) {
      float a[4][4];
      ReadPixels<T::kRows>(rows + step * 16 * T::kRows, a);
      uint32_t high[2][2][4], low[2][2][4];  // [i][8 of depth]
#pragma unroll
      for (int row = 0; row < 4; ++row) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const int operand = row % 2 + k % 2 * 2;
          SplitTf32(a[row][k], high[row / 2][k / 2][operand], low[row / 2][k / 2][operand]);
        }
      }
#pragma unroll
      for (int side = 0; side < 2; ++side) {
        float b[4][4];
        ReadPixels<T::kBlockColumns>(columns + step * 16 * T::kBlockColumns + side * 32, b);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          uint32_t b_high[2][2], b_low[2][2];
#pragma unroll
          for (int k = 0; k < 4; ++k) SplitTf32(b[e][k], b_high[k / 2][k % 2], b_low[k / 2][k % 2]);
#pragma unroll
          for (int i = 0; i < 2; ++i)
            AddTf32x3(sums[i][side * 4 + e], high[i], low[i], b_high, b_low);
        }
      }
    }
  }

  // One product or three. Each chunk accumulates from zero, because sums over sequences are long.
  __device__ __forceinline__ static void RunBf16(const uint32_t* rows, const uint32_t* columns,
                                                 GradientSums& sums) {
    constexpr int kSteps = kDepth / 16;
    const auto split = [](const float(&v)[4]) {
      return SplitBf16(make_float4(v[0], v[1], v[2], v[3]));
    };
    uint32_t high[kSteps][2][4], low[kSteps][2][4];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      float a[4][4];
      ReadPixels<T::kRows>(rows + step * 16 * T::kRows, a);
#pragma unroll
      for (int row = 0; row < 4; ++row) {
        const Bf16Halves halves = split(a[row]);
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          high[step][row / 2][row % 2 + 2 * k] = halves.high[k];
          low[step][row / 2][row % 2 + 2 * k] = halves.low[k];
        }
      }
    }
#pragma unroll
    for (int side = 0; side < 2; ++side) {
      float b[kSteps][4][4];
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        ReadPixels<T::kBlockColumns>(columns + step * 16 * T::kBlockColumns + side * 32, b[step]);
      }
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        float parts[2][4] = {};
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
          const Bf16Halves halves = split(b[step][e]);
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            if constexpr (T::kMath == Math::kBf16x3) {
              MmaBf16(parts[i], low[step][i], halves.high);
              MmaBf16(parts[i], high[step][i], halves.low);
            }
            MmaBf16(parts[i], high[step][i], halves.high);
          }
        }
#pragma unroll
        for (int i = 0; i < 2; ++i) {
#pragma unroll
          for (int k = 0; k < 4; ++k) sums[i][side * 4 + e][k] += parts[i][k];
        }
      }
    }
  }
#endif
};

// Grid: (row tiles, column tiles, slices).
template <class T>
__global__ void __launch_bounds__(T::kThreads, 1) WeightGradient(const WeightGradientArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
    const int64_t columns = static_cast<int64_t>(gridDim.y) * T::kBlockColumns;
    const int64_t row = (static_cast<int64_t>(blockIdx.z) * gridDim.x + blockIdx.x) * T::kRows +
                        warp % T::kWarpsM * 32 + lane / 4 * 4;
    float* const partial = p.partial.get() + row * columns +
                           static_cast<int64_t>(blockIdx.y) * T::kBlockColumns +
                           warp / T::kWarpsM * 64 + lane % 4 * 8;
    GradientSums sums = {};
    // visit(accumulators of four adjacent columns, their address in partial)
    const auto for_fours = [&](const auto& visit) {
#pragma unroll
      for (int k = 0; k < 16; ++k) {
        const int i = k / 8, half = k / 4 % 2, side = k / 2 % 2, n = k % 2, d = half * 2 + n;
        float* const at = partial + (2 * i + half) * columns + side * 32 + n * 4;
        visit(sums[i][side * 4][d], sums[i][side * 4 + 1][d], sums[i][side * 4 + 2][d],
              sums[i][side * 4 + 3][d], reinterpret_cast<float4*>(at));
      }
    };
    if (p.add) {
      for_fours([](float& a, float& b, float& c, float& d, const float4* at) {
        const float4 v = *at;
        a = v.x, b = v.y, c = v.z, d = v.w;
      });
    }

    PixelLoader<T> loader(p, shared);
    RunPipeline<T::kStages, T::kStageWords>(
        loader.chunks(), shared, [&](uint32_t* to) { loader.Load(to); }, [] {},
        [&](const uint32_t* pixels) {
          PixelProduct<T>::Run(pixels, pixels + kDepth * T::kRows, sums);
        });

    for_fours(
        [](float a, float b, float c, float d, float4* at) { *at = make_float4(a, b, c, d); });
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_WEIGHT_GRADIENT_CUH_
