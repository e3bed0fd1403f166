// Direct convolution of channels-last frames, of any geometry: the forward pass of conv2d, and the
// data gradients that no faster kernel serves.
#ifndef CONVLSTM_CPU_CONVOLUTION_DIRECT_H_
#define CONVLSTM_CPU_CONVOLUTION_DIRECT_H_

#include <cstdint>

#include "core/buffer.h"
#include "cpu/convolution/shape.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// The input has spread - 1 zeros between its rows and columns.
struct DirectConvolutionShape : ConvolutionShape {
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

#endif  // CONVLSTM_CPU_CONVOLUTION_DIRECT_H_
