#include "cpu/convolution/conv2d.h"

#include <memory>
#include <vector>

#include "core/derived.h"
#include "cpu/convolution/convolution.h"
#include "cpu/frames/frames.h"
#include "cpu/frames/layout.h"

namespace convlstm::cpu {
namespace {

std::shared_ptr<const PackedConvolution> PackOnce(const ConvolutionShape& s,
                                                  const ConvolutionKernel& kernel, Storage& weight,
                                                  ThreadPool& pool) {
  const auto pack = [&] {
    const ConvolutionWeight rows = {RowMajor(weight, pool), s.in_channels * s.taps(), s.taps(),
                                    s.kernel_width, 1};
    return std::shared_ptr<const PackedConvolution>(kernel.Pack(s, rows, pool));
  };
  return DeriveOnce(weight, "conv2d " + kernel.name(),
                    {s.out_channels, s.in_channels, s.kernel_height, s.kernel_width}, {}, true,
                    pack);
}

}  // namespace

void Run(ThreadPool& pool, const Conv2d& op) {
  const Conv2dShape& s = op.shape;
  const Conv2dInputs& inputs = op.inputs;
  const ConvolutionShape shape = ConvolutionOf(s);
  const ConvolutionKernel kernel = ChooseForward(shape, s.batch, op.precision, CurrentIsa());
  const auto packed = PackOnce(shape, kernel, *inputs.weight, pool);
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
  packed->Run(shape, {s.batch, in_frames.data(), out_frames.data()}, bias, pool);
}

}  // namespace convlstm::cpu
