#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "core/error.h"
#include "cuda/convolution/conv2d_kernels.h"
#include "cuda/convolution/gradients.h"
#include "cuda/gemm/packed_weights.h"
#include "cuda/gemm/tiles.h"
#include "cuda/tensor/layout.h"
#include "cuda/tensor/operations.h"

namespace convlstm::cuda {
namespace {

ConvGeometry GeometryOf(const Device& device, const Conv2dShape& s) {
  constexpr int64_t kMax = std::numeric_limits<int>::max() - kMaxTileRows;
  const bool far =
      std::max({s.padding_y, s.padding_x, s.stride_y, s.stride_x, s.dilation_y * s.kernel_height,
                s.dilation_x * s.kernel_width}) > kMax / 4;
  const int64_t channels = std::max(s.in_channels, s.out_channels);
  if (far || s.batch * s.height * s.width > kMax || channels > kMaxChannels ||
      s.kernel_height * s.kernel_width * channels > kMax ||
      s.batch * s.out_height() * s.out_width() > kMax) {
    throw Error(ErrorCode::kShape,
                device.name() + ": conv2d of more than 2^31 pixels or 2^29 channels");
  }
  return {static_cast<int>(s.batch),        static_cast<int>(s.height),
          static_cast<int>(s.width),        static_cast<int>(s.out_height()),
          static_cast<int>(s.out_width()),  static_cast<int>(s.kernel_height),
          static_cast<int>(s.kernel_width), static_cast<int>(s.stride_y),
          static_cast<int>(s.stride_x),     static_cast<int>(s.padding_y),
          static_cast<int>(s.padding_x),    static_cast<int>(s.dilation_y),
          static_cast<int>(s.dilation_x)};
}

const Buffer& PackOnce(Device& device, Math math, const ConvGeometry& g, int in, int channels,
                       Storage& weight) {
  const std::string key = "cuda conv2d " + std::to_string(channels) + " " + std::to_string(in) +
                          " " + std::to_string(g.kernel_height) + " " +
                          std::to_string(g.kernel_width);
  std::shared_ptr<const void>& derived = weight.derived()[key];
  if (!derived) {
    derived = std::make_shared<const Buffer>(
        LaunchPack<kNoGates>(device, math,
                             {RowMajor(device, weight), nullptr, 0, channels, in, 0,
                              g.kernel_height * g.kernel_width, g.kernel_width, g.chunks(in), 0}));
  }
  return *static_cast<const Buffer*>(derived.get());
}

}  // namespace

void Run(Device& device, const Conv2d& op) {
  const Conv2dShape& s = op.shape;
  const Conv2dInputs& inputs = op.inputs;
  const ConvGeometry g = GeometryOf(device, s);
  const auto in = static_cast<int>(s.in_channels), channels = static_cast<int>(s.out_channels);
  const Math math = HighestMath(device);
  const Buffer& packed = PackOnce(device, math, g, in, channels, *inputs.weight);
  const float* bias = inputs.bias == nullptr ? nullptr : RowMajor(device, *inputs.bias);
  Buffer converted;
  const float* x = ToFrames(device, *inputs.x, {s.batch, in, s.height * s.width}, converted);
  float* to = op.out->AllocateChannelsLast({s.batch, channels, s.out_height() * s.out_width()});
  Conv2dArguments p = {};
  p.geometry = g;
  p.x = {nullptr, in, static_cast<int>(s.height * s.width), g.chunks(in)};
  p.x_data = {x};
  p.weights = {packed.as<uint4>()};
  p.bias = {bias};
  p.out = {to};
  p.channels = channels;
  p.inner = 1;
  p.outer_stride = g.out_pixels();
  p.row_stride = g.out_width;
  p.column_stride = 1;
  if (g.rows() > 0) Launch(device, Convolve2dCall(device, math, p));
}

void Run(Device& device, const Conv2dBackward& op) {
  const Conv2dShape& s = op.forward.shape;
  const Conv2dInputs& inputs = op.forward.inputs;
  const Conv2dGradients& gradients = op.gradients;
  const ConvGeometry g = GeometryOf(device, s);
  const auto in = static_cast<int>(s.in_channels), channels = static_cast<int>(s.out_channels);
  const Math math = HighestMath(device);
  const int64_t pixels = s.height * s.width;
  Buffer converted_grad, converted_x;
  const float* const deltas =
      ToFrames(device, *op.grad, {s.batch, channels, g.out_pixels()}, converted_grad);
  const std::shared_ptr<const Buffer> held = op.grad->buffer();
  if (gradients.x != nullptr) {
    float* const to = gradients.x->AllocateChannelsLast({s.batch, in, pixels});
    DataGradient(device, math, g, {inputs.weight, 0, in, in, channels}).Run(deltas, to);
  }
  if (gradients.weight != nullptr) {
    const float* const x = ToFrames(device, *inputs.x, {s.batch, in, pixels}, converted_x);
    WeightGradientSums sums(device, math, g, in, channels);
    WeightGradientArguments p = {};
    p.geometry = g;
    p.x = {x};
    p.deltas = {deltas};
    p.channels = in;
    p.out_channels = channels;
    p.image_stride = static_cast<int>(pixels);
    p.steps = 1;
    p.partial = {sums.partial()};
    Launch(device, sums.Call(p));
    sums.Finish(gradients.weight->Allocate(), in, true);
  }
  if (gradients.bias != nullptr) {
    ChannelSums sums(device, g.rows(), channels, 1);
    LaunchSumRows(device, deltas, g.rows(), channels, sums);
    sums.Finish(0, channels, gradients.bias->Allocate());
  }
}

}  // namespace convlstm::cuda
