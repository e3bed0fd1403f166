// Two-dimensional convolution (cross-correlation, as every framework means it).
#ifndef CONVLSTM_OPS_CONV2D_H_
#define CONVLSTM_OPS_CONV2D_H_

#include <cstdint>

#include "core/shape.h"
#include "core/storage.h"

namespace convlstm {

struct Conv2dShape {
  int64_t batch, in_channels, height, width;
  int64_t out_channels, kernel_height, kernel_width;
  int64_t stride_y, stride_x;
  int64_t padding_y, padding_x;  // zeros on both sides
  int64_t dilation_y, dilation_x;

  int64_t out_height() const {
    return (height + 2 * padding_y - dilation_y * (kernel_height - 1) - 1) / stride_y + 1;
  }
  int64_t out_width() const {
    return (width + 2 * padding_x - dilation_x * (kernel_width - 1) - 1) / stride_x + 1;
  }
  Shape output() const { return {batch, out_channels, out_height(), out_width()}; }
};

struct Conv2dInputs {
  StoragePtr x;       // [batch, in_channels, height, width]
  StoragePtr weight;  // [out_channels, in_channels, kernel_height, kernel_width]
  StoragePtr bias;    // [out_channels] or null
};

// As the operands are; null where not wanted.
struct Conv2dGradients {
  StoragePtr x, weight, bias;
};

// Throws Error(kShape) unless the storages have their elements and the kernel fits into the padded
// image.
void CheckConv2d(const Conv2dShape& shape, const Conv2dInputs& inputs);
// Likewise for the gradient of the result and what is to be filled.
void CheckConv2dBackward(const Conv2dShape& shape, const Conv2dInputs& inputs,
                         const StoragePtr& grad, const Conv2dGradients& gradients);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_CONV2D_H_
