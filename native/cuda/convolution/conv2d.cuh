// 2D convolution with any stride, padding and dilation, on the implicit GEMM of the ConvLSTM step.
// Also the gradient of a convolution's input: a convolution of the deltas with flipped taps.
//
// Tiles are those of tiles.h: 64 x 64 reads 16 KiB of memory for 2^18 operations, with 64 KiB of
// shared memory and 145 to 175 registers (sm_90); 128 x 128 reads 32 KiB for 2^20, with 96 KiB and
// 166 to 239. The epilogue writes each output once, 8 bytes of a pixel per lane.
#ifndef CONVLSTM_CUDA_CONVOLUTION_CONV2D_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_CONV2D_CUH_

#include "cuda/convolution/gradient_phases.h"
#include "cuda/device/operand.h"
#include "cuda/gemm/implicit_gemm.cuh"

namespace convlstm::cuda {

struct Conv2dArguments {
  ConvGeometry geometry;
  ConvSource x;  // data is null
  Operand<const float> x_data;
  Operand<const uint4> weights;
  Operand<const float> bias;  // [channels] or null
  Operand<float> out;         // channels-last
  int channels;
  // Image i of the result starts at pixel i % inner * inner_stride + i / inner * outer_stride.
  int inner;
  int64_t inner_stride, outer_stride;
  int64_t row_stride;  // pixels between rows of the result
  int column_stride;
  Operand<const float> mask;  // multiplies the result, laid out as out; or null
  bool add;                   // accumulates into out
};

// Arguments of a phase of the input gradient of `forward`, without operands and image strides.
inline Conv2dArguments GradientArguments(const ConvGeometry& forward, const GradientPhase& phase,
                                         int channels, int out_channels) {
  Conv2dArguments p = {};
  p.geometry = phase.geometry;
  p.x = {nullptr, out_channels, forward.out_pixels(), p.geometry.chunks(out_channels)};
  p.channels = channels;
  p.row_stride = int64_t{forward.stride_y} * forward.width;
  p.column_stride = forward.stride_x;
  return p;
}

// Grid: (row tiles, column tiles).
template <class T>
__global__ void __launch_bounds__(T::kThreads, kMinBlocks<T>) Convolve2d(const Conv2dArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    ConvSource x = p.x;
    x.data = p.x_data.get();
    Accumulators<T> sums = {};
    Accumulate<T>(
        p.geometry, x, ConvSource{}, p.weights.get(), x.chunks, shared, [] {}, sums);

    const float *const bias = p.bias.get(), *const mask = p.mask.get();
    float* const out = p.out.get();
    const int lane = static_cast<int>(threadIdx.x) & 31;
    ForLaneRows<T>(p.geometry, [&](int i, int half, int row) {
      if (row >= p.geometry.rows()) return;
      const auto [image, pixel] = Divide(row, p.geometry.out_pixels());
      const auto [outer, inner] = Divide(image, p.inner);
      const auto [y, x] = Divide(pixel, p.geometry.out_width);
      const int64_t image_begin = inner * p.inner_stride + outer * p.outer_stride;
      const int64_t in_image = y * p.row_stride + static_cast<int64_t>(x) * p.column_stride;
      const int64_t first = (image_begin + in_image) * p.channels;
      const int first_channel = ColumnBlock<T>(i) * kColumns + lane % 4 * 2;
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int channel = first_channel + j * 8 + e;
          if (channel >= p.channels) continue;
          float sum = sums[i][j][half * 2 + e];
          if (bias != nullptr) sum += bias[channel];
          if (mask != nullptr) sum *= mask[first + channel];
          if (p.add) sum += out[first + channel];
          out[first + channel] = sum;
        }
      }
    });
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_CONV2D_CUH_
