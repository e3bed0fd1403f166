// Tests the gradient kernels, direct and Winograd, against float64, on every instruction set of
// this machine.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "cpu/convolution/gradients.h"
#include "gradient_reference.h"
#include "operations.h"

namespace convlstm::cpu {
namespace {

ConvolutionShape Same(int64_t in, int64_t out, int64_t height, int64_t width, int64_t taps) {
  return {.in_channels = in,
          .in_height = height,
          .in_width = width,
          .out_channels = out,
          .out_height = height,
          .out_width = width,
          .kernel_height = taps,
          .kernel_width = taps,
          .pad_top = taps / 2,
          .pad_left = taps / 2};
}

// Channels-last frames of a convolution and its gradients. The weights are a range of input
// channels of a larger tensor, as in a layer.
struct Case {
  static constexpr int64_t kFrames = 3, kChannelsBefore = 2;
  static constexpr int64_t kPast = 16;  // floats that kernels may read past the end, as in a Buffer

  explicit Case(const ConvolutionShape& s)
      : shape(s),
        out_stride((s.in_channels + kChannelsBefore) * s.taps()),
        in_frame(s.in_height * s.in_width * s.in_channels),
        out_frame(s.out_height * s.out_width * s.out_channels),
        in(RandomValues(kFrames * in_frame + kPast)),
        delta(RandomValues(kFrames * out_frame + kPast)),
        weight(RandomValues(s.out_channels * out_stride)),
        in_grad(kFrames * in_frame),
        weight_grad(weight.size()) {
    for (int64_t frame = 0; frame < kFrames; ++frame) AddFrame(frame);
  }

  void AddFrame(int64_t frame) {
    const ConvolutionShape& s = shape;
    for (int64_t y = 0; y < s.out_height; ++y) {
      for (int64_t x = 0; x < s.out_width; ++x) {
        for (int64_t tap = 0; tap < s.taps(); ++tap) {
          const int64_t row = y * s.stride_y - s.pad_top + tap / s.kernel_width * s.dilation_y;
          const int64_t column = x * s.stride_x - s.pad_left + tap % s.kernel_width * s.dilation_x;
          if (row < 0 || row >= s.in_height || column < 0 || column >= s.in_width) continue;
          for (int64_t k = 0; k < s.in_channels; ++k) {
            const int64_t from =
                ((frame * s.in_height + row) * s.in_width + column) * s.in_channels + k;
            for (int64_t o = 0; o < s.out_channels; ++o) {
              const double d =
                  delta[((frame * s.out_height + y) * s.out_width + x) * s.out_channels + o];
              const int64_t w = o * out_stride + (kChannelsBefore + k) * s.taps() + tap;
              in_grad[from] += d * weight[w];
              weight_grad[w] += d * in[from];
            }
          }
        }
      }
    }
  }

  template <typename T>
  std::vector<T*> FramesOf(T* first, int64_t elements) const {
    std::vector<T*> frames;
    for (int64_t frame = 0; frame < kFrames; ++frame) frames.push_back(first + frame * elements);
    return frames;
  }

  void Check(const DataGradient& gradient, ThreadPool& pool) const {
    std::vector<float> values(in_grad.size());
    const auto from = FramesOf(delta.data(), out_frame);
    const auto to = FramesOf(values.data(), in_frame);
    gradient.Run(kFrames, from.data(), to.data(), pool);
    CHECK(RelativeError(values, in_grad) <= 1e-5);
  }

  void Check(WeightGradient& gradient, ThreadPool& pool) const {
    const auto in_frames = FramesOf(in.data(), in_frame);
    const auto deltas = FramesOf(delta.data(), out_frame);
    gradient.Add(1, in_frames.data(), deltas.data(), pool);
    gradient.Add(kFrames - 1, in_frames.data() + 1, deltas.data() + 1, pool);
    std::vector<float> values(weight.size());
    gradient.Finish(values.data() + kChannelsBefore * shape.taps(), out_stride, pool);
    CHECK(RelativeError(values, weight_grad) <= 1e-5);
  }

  const ConvolutionShape shape;
  const int64_t out_stride;
  const int64_t in_frame, out_frame;
  std::vector<float> in, delta, weight;
  std::vector<double> in_grad, weight_grad;
};

}  // namespace

TEST_CASE("direct and Winograd gradients agree with float64 on every instruction set") {
  ConvolutionShape strided = Same(5, 18, 11, 9, 3);
  strided.stride_y = 2;
  strided.out_height = 6;
  strided.dilation_x = 2;
  strided.pad_left = 1;
  strided.out_width = 7;
  const ConvolutionShape shapes[] = {
      Same(1, 4, 1, 1, 3),
      Same(1, 68, 9, 7, 3),
      Same(17, 68, 9, 7, 3),
      Same(33, 20, 16, 13, 3),
      Same(64, 256, 8, 8, 3),
      Same(70, 12, 5, 6, 3),
      Same(20, 80, 7, 9, 5),
      Same(65, 72, 12, 4, 5),
      Same(9, 130, 10, 10, 1),
      Same(24, 16, 70, 3, 7),
      strided,
  };
  size_t winograd_data = 0, winograd_weight = 0;
  for (const ConvolutionShape& shape : shapes) {
    const Case test(shape);
    CAPTURE(ToString({shape.in_channels, shape.out_channels, shape.in_height, shape.in_width,
                      shape.kernel_height}));
    for (const Isa isa : AvailableIsas()) {
      CAPTURE(std::string(IsaName(isa)));
      for (const int threads : {1, 4}) {
        ThreadPool pool(threads);
        const float* const weight = test.weight.data() + Case::kChannelsBefore * shape.taps();
        test.Check(*MakeDirectDataGradient(shape, weight, test.out_stride, isa, pool), pool);
        test.Check(*MakeDirectWeightGradient(shape, isa, pool), pool);
        if (auto data = MakeWinogradDataGradient(shape, weight, test.out_stride, isa, pool)) {
          ++winograd_data;
          test.Check(*data, pool);
        }
        if (auto sums = MakeWinogradWeightGradient(shape, isa, pool)) {
          ++winograd_weight;
          test.Check(*sums, pool);
        }
      }
    }
  }
  CHECK(winograd_data >= 8);
  CHECK(winograd_weight >= 8);
}

}  // namespace convlstm::cpu
