// Direct convolution of channels-last frames, of any geometry: the forward pass of conv2d, and the
// data gradients that no faster kernel serves.
#ifndef CONVLSTM_CPU_DIRECT_CONVOLUTION_H_
#define CONVLSTM_CPU_DIRECT_CONVOLUTION_H_

#include <cstdint>

#include "core/buffer.h"
#include "cpu/isa.h"
#include "cpu/thread_pool.h"

namespace convlstm::cpu {

// Output (y, x) sums the taps (i, j) at row y * stride_y - pad_top + i * dilation_y and the
// like column of the input, which has spread - 1 zeros between its rows and columns and zeros
// around. Paddings may be negative.
struct DirectConvolutionShape {
  int64_t in_channels, in_height, in_width;
  int64_t out_channels, out_height, out_width;
  int64_t kernel_height, kernel_width;
  int64_t stride_y = 1, stride_x = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t dilation_y = 1, dilation_x = 1;
  int64_t spread_y = 1, spread_x = 1;
};

// Weights by strides, so that they may be flipped and transposed; `data` is that of tap (0, 0).
struct ConvolutionWeight {
  const float* data;
  int64_t out_stride, in_stride;
  int64_t tap_y_stride, tap_x_stride;
};

Buffer PackDirectConvolution(const DirectConvolutionShape& shape, const ConvolutionWeight& weight,
                             Isa isa);

// `in` and `out` point to `frames` frames; bias may be null.
void RunDirectConvolution(const DirectConvolutionShape& shape, const Buffer& packed,
                          const float* bias, int64_t frames, const float* const* in,
                          float* const* out, Isa isa, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_DIRECT_CONVOLUTION_H_
