// Two-dimensional convolution (cross-correlation, as in every framework).
#ifndef CONVLSTM_OPS_CONV2D_H_
#define CONVLSTM_OPS_CONV2D_H_

#include <cstdint>
#include <tuple>

#include "core/precision.h"
#include "ops/visit.h"

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
  StoragePtr x{};       // [batch, in_channels, height, width]
  StoragePtr weight{};  // [out_channels, in_channels, kernel_height, kernel_width]
  StoragePtr bias{};    // [out_channels] or null
};

struct Conv2d {
  static constexpr auto kName = "conv2d";
  static constexpr auto kCalling = Calling::kByName;

  Conv2dShape shape{};
  Conv2dInputs inputs{};
  Precision precision = Precision::kHighest;
  StoragePtr out{};
  int64_t weight_channels = shape.in_channels;  // input channels of the weight

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    Conv2dShape& s = shape;
    visit("x", inputs.x);
    visit("xShape", std::tie(s.batch, s.in_channels, s.height, s.width));
    visit("weight", inputs.weight);
    visit("weightShape",
          std::tie(s.out_channels, weight_channels, s.kernel_height, s.kernel_width));
    visit("bias", inputs.bias, kNullable);
    visit("stride", std::tie(s.stride_y, s.stride_x));
    visit("padding", std::tie(s.padding_y, s.padding_x));
    visit("dilation", std::tie(s.dilation_y, s.dilation_x));
    visit("precision", precision);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, shape.output());
  }

  // Throws Error(kShape) unless the storages have their elements and the kernel fits into the
  // padded image.
  void Check() const;
};

// Shaped like their operands; null if not requested.
struct Conv2dGradients {
  StoragePtr x{}, weight{}, bias{};
};

struct Conv2dWants {
  bool x = true, weight = true, bias = true;

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("x", x);
    visit("weight", weight);
    visit("bias", bias);
  }
};

struct Conv2dBackward {
  static constexpr auto kName = "conv2dBackward";
  static constexpr auto kCalling = Calling::kByName;

  Conv2d forward{};   // `out` is null
  StoragePtr grad{};  // of the result
  Conv2dWants wants{};
  Conv2dGradients gradients{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    forward.VisitArguments(visit);
    visit("grad", grad);
    visit("wants", wants);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    const auto& [x, weight, bias] = forward.inputs;
    visit("x", gradients.x, ShapeIf(wants.x, {x->elements()}));
    visit("weight", gradients.weight, ShapeIf(wants.weight, {weight->elements()}));
    visit("bias", gradients.bias, ShapeIf(wants.bias, {forward.shape.out_channels}));
  }

  // As Conv2d::Check, also for grad.
  void Check() const;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_CONV2D_H_
