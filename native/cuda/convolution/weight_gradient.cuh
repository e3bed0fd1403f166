// The gradient of a convolution's weights: a matrix product whose inner dimension is the pixels.
//
//   rows     (tap, channel of x), a tile of 32 kWarpsM
//   columns  channels of the result, a tile of 64 kWarpsN
//   depth    the pixels of a slice of a step, 32 at a time, step after step from the last to the
//            first
//
// Both operands are copied as memory has them, channels innermost, so that a lane reads 16 bytes,
// four rows or columns of one pixel, which it takes for four fragments: which row of the tile is
// which row of a fragment is free. For a depth of 16 a warp reads 2 KiB and 4 KiB for its 32 x 64
// sums, as the forward kernel does: 10.7 operations a byte, and the three TF32 products do three
// for each. A tile of 128 x 128 brings 32 KiB from memory for 2^20 operations (64 x 128: 24 KiB for
// 2^19). Of 204 to 246 registers (sm_90) 64 are the sums; the large tile then leaves room for one
// block a multiprocessor, the small one for two.
//
// Blocks split a step's pixels, and each goes through all steps with its own; between two launches
// its sums wait in memory as they are. So the bits depend on the shape and the number of
// multiprocessors, but not on how the steps are grouped, and no addition is atomic.
#ifndef CONVLSTM_CUDA_CONVOLUTION_WEIGHT_GRADIENT_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_WEIGHT_GRADIENT_CUH_

#include "cuda/device/place.h"
#include "cuda/gemm/implicit_gemm.cuh"

namespace convlstm::cuda {

template <Math kMathValue, int kWarpsMValue, int kWarpsNValue, int kStagesValue>
struct GradientTile {
  static constexpr Math kMath = kMathValue;
  static constexpr int kWarpsM = kWarpsMValue, kWarpsN = kWarpsNValue, kStages = kStagesValue;
  static constexpr int kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kRows = 32 * kWarpsM, kBlockColumns = 64 * kWarpsN;
  static constexpr int kStageWords = kDepth * (kRows + kBlockColumns);
  static constexpr int kTableWords = 4 * kRows;
  static constexpr int kSharedBytes = (kStages * kStageWords + kTableWords) * 4;
  static_assert(kSharedBytes <= MostSharedBytes(kMath));
  // So many threads copy a pixel's channels.
  static constexpr int kPixelThreads = kThreads / kDepth;
  static constexpr int kRowPieces = kRows / 4 / kPixelThreads;
  static constexpr int kColumnPieces = kBlockColumns / 4 / kPixelThreads;
};

// 98 KiB of shared memory: all that a block of sm_86, 89 and 120 may have.
template <Math kMath>
using LargeGradientTile = GradientTile<kMath, 4, 2, 3>;  // 128 x 128
// 73 KiB; 49 without tensor cores, of the 64 that sm_75 has.
template <Math kMath>
using SmallGradientTile = GradientTile<kMath, 2, 2, kMath == Math::kFma ? 2 : 3>;  // 64 x 128

struct WeightGradientArguments {
  ConvGeometry geometry;  // of the forward convolution of one step
  // Of the last of the steps; the one before begins a stride, in elements, before it.
  Place<const float> x;
  Place<const float> deltas;  // [row][out_channels]
  int64_t x_step_stride, delta_step_stride;
  int channels, out_channels;
  int image_stride;  // of x, pixels
  int steps;
  int slice_rows;        // pixels of a step that a block takes, a multiple of kDepth
  Place<float> partial;  // [slice][rows][columns], whole tiles
  bool add;              // to what is there
};

// Where a 16-byte piece lies in its pixel. Reads: four pixels, of each two neighbouring pieces;
// copies: eight pieces of a pixel or four each of two.
__device__ __forceinline__ int PixelSwizzle(int pixel, int piece) {
  return piece ^ ((pixel & 1) << 2 | (pixel & 2));
}

// Copies 32 pixels after 32 pixels into shared memory. A thread has one pixel of them, and some
// pieces of its channels.
template <class T>
class PixelLoader {
 public:
  __device__ __forceinline__ PixelLoader(const WeightGradientArguments& p, uint32_t* shared)
      : p_(p), g_(p.geometry), shared_(shared), source_(p.x.get()), deltas_(p.deltas.get()) {
    FillTable();
    const int first = static_cast<int>(blockIdx.z) * p.slice_rows;
    end_ = g_.rows() - first < p.slice_rows ? g_.rows() : first + p.slice_rows;
    row_ = first_ = first + static_cast<int>(threadIdx.x) / T::kPixelThreads;
    chunks_ = DivideUp(end_ - first, kDepth);
    chunks_left_ = chunks_;
    const int pixels = g_.out_pixels();
    step_image_ = kDepth / pixels;
    step_y_ = kDepth % pixels / g_.out_width;
    step_x_ = kDepth % g_.out_width;
    Begin();
  }

  __device__ __forceinline__ int chunks() const { return chunks_ * p_.steps; }

  __device__ __forceinline__ void Load(uint32_t* to) {
    const int pixel = static_cast<int>(threadIdx.x) / T::kPixelThreads;
    if (p_.channels % 4 == 0) {
      LoadRows<4>(to + pixel * T::kRows, pixel);
    } else {
      LoadRows<1>(to + pixel * T::kRows, pixel);
    }
    uint32_t* const columns = to + kDepth * T::kRows + pixel * T::kBlockColumns;
    if (p_.out_channels % 4 == 0) {
      LoadColumns<4>(columns, pixel);
    } else {
      LoadColumns<1>(columns, pixel);
    }
    if (--chunks_left_ == 0) {
      chunks_left_ = chunks_;
      source_ -= p_.x_step_stride;
      deltas_ -= p_.delta_step_stride;
      row_ = first_;
      Begin();
    } else {
      Advance();
    }
  }

 private:
  static constexpr int kNowhere = -(1 << 30);

  // Where a row's tap lies from the pixel, and how many elements its channel lies from the pixel's
  // first.
  struct RowPlace {
    int y, x;
    int64_t offset;
  };

  __device__ __forceinline__ RowPlace* Table() const {
    return reinterpret_cast<RowPlace*>(shared_ + T::kStages * T::kStageWords);
  }
  __device__ __forceinline__ void FillTable() {
    static_assert(sizeof(RowPlace) * T::kRows == T::kTableWords * 4);
    for (int k = static_cast<int>(threadIdx.x); k < T::kRows; k += T::kThreads) {
      const int row = static_cast<int>(blockIdx.x) * T::kRows + k;
      const int tap = row / p_.channels;
      const int y = tap / g_.kernel_width * g_.dilation_y;
      const int x = tap % g_.kernel_width * g_.dilation_x;
      const int64_t pixels = static_cast<int64_t>(y) * g_.width + x;
      Table()[k] = {tap < g_.kernel_height * g_.kernel_width ? y : kNowhere, x,
                    pixels * p_.channels + row % p_.channels};
    }
    __syncthreads();
  }

  __device__ __forceinline__ void Begin() {
    const auto [image, pixel] = Divide(row_, g_.out_pixels());
    const auto [y, x] = Divide(pixel, g_.out_width);
    image_ = image;
    y_ = y;
    x_ = x;
  }
  __device__ __forceinline__ void Advance() {
    row_ += kDepth;
    x_ += step_x_;
    y_ += step_y_;
    image_ += step_image_;
    if (x_ >= g_.out_width) {
      x_ -= g_.out_width;
      ++y_;
    }
    if (y_ >= g_.out_height) {
      y_ -= g_.out_height;
      ++image_;
    }
  }

  template <int kElements>
  __device__ __forceinline__ void LoadRows(uint32_t* to, int pixel) {
    const RowPlace* const table = Table();
    const int y = y_ * g_.stride_y - g_.pad_top, x = x_ * g_.stride_x - g_.pad_left;
    const int64_t pixels =
        static_cast<int64_t>(image_) * p_.image_stride + static_cast<int64_t>(y) * g_.width + x;
    const float* const from = source_ + pixels * p_.channels;
    const bool there = row_ < end_;
#pragma unroll
    for (int k = 0; k < T::kRowPieces; ++k) {
      const int piece = static_cast<int>(threadIdx.x) % T::kPixelThreads + k * T::kPixelThreads;
#pragma unroll
      for (int e = 0; e < 4; e += kElements) {
        const RowPlace place = table[piece * 4 + e];
        const bool at_y = static_cast<unsigned>(y + place.y) < static_cast<unsigned>(g_.height);
        const bool at_x = static_cast<unsigned>(x + place.x) < static_cast<unsigned>(g_.width);
        CopyAsync<4 * kElements>(to + PixelSwizzle(pixel, piece) * 4 + e, from + place.offset,
                                 there & at_y & at_x);
      }
    }
  }

  template <int kElements>
  __device__ __forceinline__ void LoadColumns(uint32_t* to, int pixel) {
    const float* const from = deltas_ + static_cast<int64_t>(row_) * p_.out_channels;
    const bool there = row_ < end_;
#pragma unroll
    for (int k = 0; k < T::kColumnPieces; ++k) {
      const int piece = static_cast<int>(threadIdx.x) % T::kPixelThreads + k * T::kPixelThreads;
#pragma unroll
      for (int e = 0; e < 4; e += kElements) {
        const int column = static_cast<int>(blockIdx.y) * T::kBlockColumns + piece * 4 + e;
        CopyAsync<4 * kElements, Cache::kL2>(to + PixelSwizzle(pixel, piece) * 4 + e, from + column,
                                             there & (column < p_.out_channels));
      }
    }
  }

  const WeightGradientArguments& p_;
  const ConvGeometry& g_;
  uint32_t* shared_;
  const float *source_, *deltas_;  // of the step at work
  int row_, image_, y_, x_;        // this thread's pixel
  int first_, end_, chunks_, chunks_left_;
  int step_image_, step_y_, step_x_;  // from a chunk's pixel to the next chunk's
};

// A lane's part of a warp's 32 x 64 sums, [16 rows][8 columns][d of mma]: with g = lane / 4 and
// t = lane % 4, row g (+ 8) of 16 rows i is row 4g + 2i (+ 1) of the warp's, column n of 8 columns
// j column 32 (j / 4) + 4n + j % 4.
using GradientSums = float[2][8][4];

// Four elements of depth 4 apart of four neighbouring rows or columns.
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
      // Where a pixel's pieces lie is the same 4 pixels and 8 pieces on.
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

  // Without tensor cores: the same sums in the same lanes.
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
      for (int n = 0; n < 4; ++n) {  // column 2t + n % 2 of four eights
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

  // One product or three; sums over whole sequences are long, so those of a chunk begin at zero.
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
    // visit(sums of four neighbouring columns, where they lie)
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
