#include "cpu/convolution/conv2d.h"

#include <memory>
#include <string>
#include <vector>

#include "cpu/convolution/direct.h"
#include "cpu/frames/frames.h"
#include "cpu/frames/layout.h"

namespace convlstm::cpu {
namespace {

std::shared_ptr<const Buffer> PackOnce(const DirectConvolutionShape& s, Storage& weight,
                                       ThreadPool& pool) {
  const std::string key = "conv2d " + std::to_string(s.out_channels) + " " +
                          std::to_string(s.in_channels) + " " + std::to_string(s.kernel_height) +
                          " " + std::to_string(s.kernel_width);
  std::shared_ptr<const void>& derived = weight.derived()[key];
  if (!derived) {
    const ConvolutionWeight rows = {RowMajor(weight, pool), s.in_channels * s.taps(), s.taps(),
                                    s.kernel_width, 1};
    derived = std::make_shared<const Buffer>(PackDirectConvolution(s, rows, CurrentIsa()));
  }
  return std::static_pointer_cast<const Buffer>(derived);
}

}  // namespace

void Run(ThreadPool& pool, const Conv2d& op) {
  const Conv2dShape& s = op.shape;
  const Conv2dInputs& inputs = op.inputs;
  const DirectConvolutionShape shape = {ConvolutionOf(s)};
  const std::shared_ptr<const Buffer> packed = PackOnce(shape, *inputs.weight, pool);
  const float* bias = inputs.bias == nullptr ? nullptr : RowMajor(*inputs.bias, pool);
  const int64_t pixels = s.height * s.width, out_pixels = shape.out_height * shape.out_width;
  const HeldFrames x = ToFrames(inputs.x, {s.batch, s.in_channels, pixels}, pool);
  float* to = op.out->AllocateChannelsLast({s.batch, s.out_channels, out_pixels});
  std::vector<const float*> in_frames(s.batch);
  std::vector<float*> out_frames(s.batch);
  for (int64_t b = 0; b < s.batch; ++b) {
    in_frames[b] = x.data() + b * s.in_channels * pixels;
    out_frames[b] = to + b * s.out_channels * out_pixels;
  }
  RunDirectConvolution(shape, *packed, bias, s.batch, in_frames.data(), out_frames.data(),
                       CurrentIsa(), pool);
}

}  // namespace convlstm::cpu
