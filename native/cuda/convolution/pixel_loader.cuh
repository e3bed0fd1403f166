// Tiles, arguments and copies of the weight gradient (weight_gradient.cuh).
#ifndef CONVLSTM_CUDA_CONVOLUTION_PIXEL_LOADER_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_PIXEL_LOADER_CUH_

#include "cuda/device/operand.h"
#include "cuda/gemm/convolution.h"

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
  static_assert(kSharedBytes <= MaxSharedBytes(kMath));
  // Threads that copy the channels of a pixel.
  static constexpr int kPixelThreads = kThreads / kDepth;
  static constexpr int kRowPieces = kRows / 4 / kPixelThreads;
  static constexpr int kColumnPieces = kBlockColumns / 4 / kPixelThreads;
};

// 98 KiB of shared memory, within the 99 of a block on sm_86, 89 and 120.
template <Math kMath>
using LargeGradientTile = GradientTile<kMath, 4, 2, 3>;  // 128 x 128
// 73 KiB; without tensor cores 49, within the 64 of sm_75.
template <Math kMath>
using SmallGradientTile = GradientTile<kMath, 2, 2, kMath == Math::kFma ? 2 : 3>;  // 64 x 128

struct WeightGradientArguments {
  ConvGeometry geometry;  // of the forward convolution of one step
  // Operands of the last step; those of earlier steps precede them by a stride, in elements.
  Operand<const float> x;
  Operand<const float> deltas;  // [row][out_channels]
  int64_t x_step_stride, delta_step_stride;
  int channels, out_channels;
  int image_stride;  // of x, pixels
  int steps;
  int slice_rows;          // pixels of a step per block, a multiple of kDepth
  Operand<float> partial;  // [slice][rows][columns], whole tiles
  bool add;                // accumulates into partial
};

// The swizzled index of a 16-byte piece of a pixel. Eight lanes that access shared memory together
// read two adjacent pieces of four pixels, or write eight pieces of a pixel or four of two.
__device__ __forceinline__ int PixelSwizzle(int pixel, int piece) {
  return piece ^ ((pixel & 1) << 2 | (pixel & 2));
}

// Copies chunks of 32 pixels into shared memory. A thread copies some of the channels of one pixel.
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
  static constexpr int kOutside = -(1 << 30);

  // Displacement of a row's tap from the output pixel, and offset of its channel in elements.
  struct TapOffset {
    int y, x;
    int64_t offset;
  };

  __device__ __forceinline__ TapOffset* Table() const {
    return reinterpret_cast<TapOffset*>(shared_ + T::kStages * T::kStageWords);
  }
  __device__ __forceinline__ void FillTable() {
    static_assert(sizeof(TapOffset) * T::kRows == T::kTableWords * 4);
    for (int k = static_cast<int>(threadIdx.x); k < T::kRows; k += T::kThreads) {
      const int row = static_cast<int>(blockIdx.x) * T::kRows + k;
      const int tap = row / p_.channels;
      const int y = tap / g_.kernel_width * g_.dilation_y;
      const int x = tap % g_.kernel_width * g_.dilation_x;
      const int64_t pixels = static_cast<int64_t>(y) * g_.width + x;
      Table()[k] = {tap < g_.kernel_height * g_.kernel_width ? y : kOutside, x,
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
    const TapOffset* const table = Table();
    const int y = y_ * g_.stride_y - g_.pad_top, x = x_ * g_.stride_x - g_.pad_left;
    const int64_t pixels =
        static_cast<int64_t>(image_) * p_.image_stride + static_cast<int64_t>(y) * g_.width + x;
    const float* const from = source_ + pixels * p_.channels;
    const bool valid = row_ < end_;
#pragma unroll
    for (int k = 0; k < T::kRowPieces; ++k) {
      const int piece = static_cast<int>(threadIdx.x) % T::kPixelThreads + k * T::kPixelThreads;
#pragma unroll
      for (int e = 0; e < 4; e += kElements) {
        const TapOffset tap = table[piece * 4 + e];
        const bool at_y = static_cast<unsigned>(y + tap.y) < static_cast<unsigned>(g_.height);
        const bool at_x = static_cast<unsigned>(x + tap.x) < static_cast<unsigned>(g_.width);
        CopyAsync<4 * kElements>(to + PixelSwizzle(pixel, piece) * 4 + e, from + tap.offset,
                                 valid & at_y & at_x);
      }
    }
  }

  template <int kElements>
  __device__ __forceinline__ void LoadColumns(uint32_t* to, int pixel) {
    const float* const from = deltas_ + static_cast<int64_t>(row_) * p_.out_channels;
    const bool valid = row_ < end_;
#pragma unroll
    for (int k = 0; k < T::kColumnPieces; ++k) {
      const int piece = static_cast<int>(threadIdx.x) % T::kPixelThreads + k * T::kPixelThreads;
#pragma unroll
      for (int e = 0; e < 4; e += kElements) {
        const int column = static_cast<int>(blockIdx.y) * T::kBlockColumns + piece * 4 + e;
        CopyAsync<4 * kElements, Cache::kL2>(to + PixelSwizzle(pixel, piece) * 4 + e, from + column,
                                             valid & (column < p_.out_channels));
      }
    }
  }

  const WeightGradientArguments& p_;
  const ConvGeometry& g_;
  uint32_t* shared_;
  const float *source_, *deltas_;  // of the current step
  int row_, image_, y_, x_;        // this thread's output pixel
  int first_, end_, chunks_, chunks_left_;
  int step_image_, step_y_, step_x_;  // distance between chunks
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_PIXEL_LOADER_CUH_
