#include "ops/conv2d.h"

#include <string>

#include "core/error.h"
#include "ops/check.h"

namespace convlstm {

void Conv2d::Check() const {
  const Conv2dShape& s = shape;
  constexpr int64_t kMaxParameter = int64_t{1} << 31;  // later arithmetic cannot overflow
  for (const int64_t dim : {s.in_channels, s.height, s.width, s.out_channels, s.kernel_height,
                            s.kernel_width, s.stride_y, s.stride_x, s.dilation_y, s.dilation_x}) {
    if (dim < 1 || dim > kMaxParameter) {
      throw Error(ErrorCode::kShape,
                  "conv2d: expected channels, sizes, stride and dilation of 1 to 2^31, got " +
                      std::to_string(dim));
    }
  }
  for (const int64_t padding : {s.padding_y, s.padding_x}) {
    if (padding < 0 || padding > kMaxParameter) {
      throw Error(ErrorCode::kShape,
                  "conv2d: expected padding of 0 to 2^31, got " + std::to_string(padding));
    }
  }
  if (weight_channels != s.in_channels) {
    throw Error(ErrorCode::kShape, "conv2d: expected a weight for " +
                                       std::to_string(s.in_channels) + " channels, got one for " +
                                       std::to_string(weight_channels));
  }
  CheckElements("conv2d: x", inputs.x, {s.batch, s.in_channels, s.height, s.width});
  CheckElements("conv2d: weight", inputs.weight,
                {s.out_channels, s.in_channels, s.kernel_height, s.kernel_width});
  CheckElements("conv2d: bias", inputs.bias, {s.out_channels});
  const Shape padded = {s.height + 2 * s.padding_y, s.width + 2 * s.padding_x};
  const Shape reach = {s.dilation_y * (s.kernel_height - 1) + 1,
                       s.dilation_x * (s.kernel_width - 1) + 1};
  if (reach[0] > padded[0] || reach[1] > padded[1]) {
    throw Error(ErrorCode::kShape, "conv2d: expected a kernel within the padded image " +
                                       ToString(padded) + ", got one that covers " +
                                       ToString(reach));
  }
  CheckElements("conv2d: output", nullptr, s.output());
}

void Conv2dBackward::Check() const {
  forward.Check();
  CheckElements("conv2dBackward: grad", grad, forward.shape.output());
}

}  // namespace convlstm
