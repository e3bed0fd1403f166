#include "cpu/convolution/conv2d_backward.h"

#include <algorithm>
#include <vector>

#include "cpu/convolution/convolution.h"
#include "cpu/frames/frames.h"
#include "cpu/frames/layout.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

// sums[channel] over `pixels` pixels, in float64. Bits depend on the number of threads.
void SumPixels(const float* frames, int64_t pixels, int64_t channels, float* sums,
               ThreadPool& pool) {
  std::vector<double> totals(pool.threads() * channels);
  pool.Run([&](int part) {
    const Range range = SplitRange(pixels, part, pool.threads());
    std::vector<double> total(channels);
    for (int64_t pixel = range.begin; pixel < range.end; ++pixel) {
      const float* const from = frames + pixel * channels;
      for (int64_t channel = 0; channel < channels; ++channel) total[channel] += from[channel];
    }
    std::copy(total.begin(), total.end(), totals.begin() + part * channels);
  });
  for (int64_t channel = 0; channel < channels; ++channel) {
    double total = 0;
    for (int part = 0; part < pool.threads(); ++part) total += totals[part * channels + channel];
    sums[channel] = static_cast<float>(total);
  }
}

}  // namespace

void Run(ThreadPool& pool, const Conv2dBackward& op) {
  const Conv2dShape& s = op.forward.shape;
  const Conv2dInputs& inputs = op.forward.inputs;
  const Conv2dGradients& gradients = op.gradients;
  const ConvolutionShape shape = ConvolutionOf(s);
  const int64_t pixels = s.height * s.width, out_pixels = shape.out_height * shape.out_width;
  const int64_t out_stride = s.in_channels * shape.taps();
  const HeldFrames deltas = ToFrames(op.grad, {s.batch, s.out_channels, out_pixels}, pool);
  std::vector<const float*> delta_frames(s.batch);
  for (int64_t b = 0; b < s.batch; ++b) {
    delta_frames[b] = deltas.data() + b * s.out_channels * out_pixels;
  }
  if (gradients.x != nullptr) {
    float* const to = gradients.x->AllocateChannelsLast({s.batch, s.in_channels, pixels});
    std::vector<float*> frames(s.batch);
    for (int64_t b = 0; b < s.batch; ++b) frames[b] = to + b * s.in_channels * pixels;
    DataGradient(shape, RowMajor(*inputs.weight, pool), out_stride, CurrentIsa(), pool)
        .Run(s.batch, delta_frames.data(), frames.data(), pool);
  }
  if (gradients.weight != nullptr) {
    const HeldFrames x = ToFrames(inputs.x, {s.batch, s.in_channels, pixels}, pool);
    std::vector<const float*> frames(s.batch);
    for (int64_t b = 0; b < s.batch; ++b) frames[b] = x.data() + b * s.in_channels * pixels;
    const auto gradient = MakeWeightGradient(shape, CurrentIsa(), pool);
    gradient->Add(s.batch, frames.data(), delta_frames.data(), pool);
    gradient->Finish(gradients.weight->Allocate(), out_stride, pool);
  }
  if (gradients.bias != nullptr) {
    SumPixels(deltas.data(), s.batch * out_pixels, s.out_channels, gradients.bias->Allocate(),
              pool);
  }
}

}  // namespace convlstm::cpu
