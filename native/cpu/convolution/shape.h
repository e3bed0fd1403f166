#ifndef CONVLSTM_CPU_CONVOLUTION_SHAPE_H_
#define CONVLSTM_CPU_CONVOLUTION_SHAPE_H_

#include <cstdint>

#include "ops/conv2d.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Output (y, x) sums the taps (i, j) at input row y * stride_y - pad_top + i * dilation_y and the
// column alike; the input is zero outside the image. Padding may be negative.
struct ConvolutionShape {
  int64_t in_channels, in_height, in_width;
  int64_t out_channels, out_height, out_width;
  int64_t kernel_height, kernel_width;
  int64_t stride_y = 1, stride_x = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t dilation_y = 1, dilation_x = 1;
  int64_t spread_y = 1, spread_x = 1;  // the input has spread - 1 zeros between rows and columns

  int64_t taps() const { return kernel_height * kernel_width; }
};

inline ConvolutionShape ConvolutionOf(const Conv2dShape& s) {
  return {.in_channels = s.in_channels,
          .in_height = s.height,
          .in_width = s.width,
          .out_channels = s.out_channels,
          .out_height = s.out_height(),
          .out_width = s.out_width(),
          .kernel_height = s.kernel_height,
          .kernel_width = s.kernel_width,
          .stride_y = s.stride_y,
          .stride_x = s.stride_x,
          .pad_top = s.padding_y,
          .pad_left = s.padding_x,
          .dilation_y = s.dilation_y,
          .dilation_x = s.dilation_x};
}

// A layer's convolution over x or over h, which makes the sums of `gates` gates.
inline ConvolutionShape ConvolutionOf(const ConvLstmShape& s, int64_t in_channels, int64_t gates) {
  return {.in_channels = in_channels,
          .in_height = s.height,
          .in_width = s.width,
          .out_channels = gates * s.hidden_dim,
          .out_height = s.height,
          .out_width = s.width,
          .kernel_height = s.kernel_height,
          .kernel_width = s.kernel_width,
          .pad_top = s.pad_top(),
          .pad_left = s.pad_left()};
}

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_SHAPE_H_
