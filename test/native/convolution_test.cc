// The kernels of convolutions and their gradients, direct and Winograd, on every instruction set of
// this machine, against float64.
#include "cpu/convolution/convolution.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/convolution/winograd/convolution.h"
#include "cpu/convolution/winograd/variant.h"
#include "cpu/simd/cpu_features.h"
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

// Channels-last frames of a convolution and its gradients. The weights are some of the input
// channels of a larger tensor, as a layer's are.
struct Case {
  static constexpr int64_t kFrames = 3, kChannelsBefore = 2;
  static constexpr int64_t kPast = 16;  // floats that may be read past the end, as of a Buffer

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
        const auto data_gradient = [&](const ConvolutionKernel& kernel) {
          return DataGradient(shape, weight, test.out_stride, kernel, pool);
        };
        test.Check(data_gradient({isa}), pool);
        test.Check(*MakeDirectWeightGradient(shape, isa, pool), pool);
        if (const auto variant = FindWinogradDataGradient(TransposedOf(shape), isa)) {
          ++winograd_data;
          test.Check(data_gradient({isa, variant}), pool);
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

namespace {

// Channels-last frames and weights as PyTorch draws them, with the convolution in float64.
struct ForwardCase {
  static constexpr int64_t kFrames = 2;
  static constexpr int64_t kMargin = 16;  // floats past the end that may be read, never written
  static constexpr float kUntouched = 123.0f;

  ForwardCase(const ConvolutionShape& s, const std::function<float()>& draw)
      : shape(s),
        in_frame(s.in_height * s.in_width * s.in_channels),
        out_frame(s.out_height * s.out_width * s.out_channels),
        in(kFrames * in_frame + kMargin),
        weight(s.out_channels * s.in_channels * s.taps()),
        bias(s.out_channels) {
    std::generate(in.begin(), in.end(), draw);
    std::mt19937 random(2);
    const float bound = 1 / std::sqrt(static_cast<float>(s.in_channels * s.taps()));
    std::uniform_real_distribution<float> uniform(-bound, bound);
    for (float& value : weight) value = uniform(random);
    for (float& value : bias) value = uniform(random);
    for (int64_t k = 0; k < kFrames * in_frame; ++k) mean += std::abs(in[k]);
    mean /= static_cast<double>(kFrames * in_frame);
    for (int64_t frame = 0; frame < kFrames; ++frame) AddFrame(frame);
  }

  void AddFrame(int64_t frame) {
    const ConvolutionShape& s = shape;
    for (int64_t y = 0; y < s.out_height; ++y) {
      for (int64_t x = 0; x < s.out_width; ++x) {
        for (int64_t o = 0; o < s.out_channels; ++o) {
          double sum = bias[o];
          for (int64_t tap = 0; tap < s.taps(); ++tap) {
            const int64_t row = y - s.pad_top + tap / s.kernel_width;
            const int64_t column = x - s.pad_left + tap % s.kernel_width;
            if (row < 0 || row >= s.in_height || column < 0 || column >= s.in_width) continue;
            const float* from =
                in.data() + frame * in_frame + (row * s.in_width + column) * s.in_channels;
            for (int64_t k = 0; k < s.in_channels; ++k) {
              sum += double{from[k]} * weight[(o * s.in_channels + k) * s.taps() + tap];
            }
          }
          exact.push_back(sum);
        }
      }
    }
  }

  std::vector<float> Run(const ConvolutionKernel& kernel, int threads) const {
    const ConvolutionShape& s = shape;
    ThreadPool pool(threads);
    const auto packed = kernel.Pack(
        s, {weight.data(), s.in_channels * s.taps(), s.taps(), s.kernel_width, 1}, pool);
    std::vector<float> out(kFrames * out_frame + kMargin, kUntouched);
    std::vector<const float*> in_frames;
    std::vector<float*> out_frames;
    for (int64_t frame = 0; frame < kFrames; ++frame) {
      in_frames.push_back(in.data() + frame * in_frame);
      out_frames.push_back(out.data() + frame * out_frame);
    }
    packed->Run(s, {kFrames, in_frames.data(), out_frames.data()}, bias.data(), pool);
    CHECK(std::count(out.end() - kMargin, out.end(), kUntouched) == kMargin);
    out.resize(kFrames * out_frame);
    return out;
  }

  // The largest error, in units of the result or of the input's mean magnitude where that is
  // above 1.
  double Error(const std::vector<float>& values) const {
    double largest = 0;
    for (size_t k = 0; k < exact.size(); ++k) {
      const double error =
          std::abs(values[k] - exact[k]) / std::max({1.0, std::abs(exact[k]), mean});
      if (!(error <= largest)) largest = error;  // a NaN stays
    }
    return largest;
  }

  const ConvolutionShape shape;
  const int64_t in_frame, out_frame;
  std::vector<float> in, weight, bias;
  std::vector<double> exact;
  double mean = 0;
};

// The kernels of a shape on an instruction set, with the bounds they keep.
struct BoundedKernel {
  ConvolutionKernel kernel;
  double bound;
};
std::vector<BoundedKernel> KernelsOf(const ConvolutionShape& shape, Isa isa) {
  std::vector<BoundedKernel> kernels = {{{isa}, 1e-5}};
  for (size_t variant = 0; variant < kWinogradVariants.size(); ++variant) {
    const WinogradVariant& v = kWinogradVariants[variant];
    if (!WinogradServes(shape) || static_cast<int64_t>(v.taps) != shape.kernel_height) continue;
    const bool highest = v.products() <= (isa == Isa::kPortable ? 36 : 48);
    kernels.push_back({{isa, variant, true}, highest ? 1e-5 : 1e-4});
  }
  return kernels;
}

void ForEachIsa(const std::function<void(Isa)>& check) {
  for (const Isa isa : AvailableIsas()) {
    if (SimdIsa(isa) == isa) check(isa);
  }
}

struct Draw {
  std::string name;
  std::function<float()> next;
};
std::vector<Draw> Draws() {
  const auto random = std::make_shared<std::mt19937>(1);
  const auto unit = [random] { return std::uniform_real_distribution<float>(0, 1)(*random); };
  const auto normal = [random] { return std::normal_distribution<float>()(*random); };
  const auto spiky = [=] { return normal() * (unit() < 0.01f ? 100.0f : 1.0f); };
  return {{"unit", unit},
          {"normal", normal},
          {"spiky", spiky},
          {"bytes", [=] { return std::floor(255 * unit()); }},
          {"thousands", [=] { return 1000 * normal(); }},
          {"tiny, spiky", [=] { return 1e-3f * spiky(); }},
          {"five either way", [=] { return unit() < 0.5f ? 5.0f : -5.0f; }}};
}

}  // namespace

TEST_CASE("convolutions keep their bounds on every instruction set, whatever the scale of x") {
  for (const ConvolutionShape& shape :
       {Same(1, 3, 1, 1, 3), Same(5, 70, 9, 11, 3), Same(64, 20, 13, 10, 3), Same(130, 33, 6, 7, 3),
        Same(3, 9, 1, 17, 3), Same(2, 6, 3, 2, 5), Same(17, 40, 11, 9, 5),
        Same(70, 8, 12, 13, 5)}) {
    for (const Draw& draw : Draws()) {
      const ForwardCase test(shape, draw.next);
      CAPTURE(draw.name);
      CAPTURE(ToString({shape.in_channels, shape.out_channels, shape.in_height, shape.in_width,
                        shape.kernel_height}));
      ForEachIsa([&](Isa isa) {
        for (const auto& [kernel, bound] : KernelsOf(shape, isa)) {
          CAPTURE(kernel.name());
          const std::vector<float> values = test.Run(kernel, 1);
          CHECK(test.Error(values) <= bound);
          CHECK(test.Run(kernel, 3) == values);
        }
      });
    }
  }
}

TEST_CASE("a value that is not finite reaches the pixels under the kernel and no other") {
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    for (const int64_t taps : {3, 5}) {
      const ConvolutionShape shape = Same(70, 5, 12, 11, taps);
      ForwardCase test(shape, Draws()[1].next);
      const int64_t row = 5, column = 6;
      test.in[(row * shape.in_width + column) * shape.in_channels + 67] = value;
      ForEachIsa([&](Isa isa) {
        for (const BoundedKernel& bounded : KernelsOf(shape, isa)) {
          CAPTURE(bounded.kernel.name());
          const std::vector<float> out = test.Run(bounded.kernel, 1);
          for (int64_t k = 0; k < static_cast<int64_t>(out.size()); ++k) {
            const int64_t pixel = k / shape.out_channels;
            const bool under = pixel < shape.in_height * shape.in_width &&
                               std::abs(pixel / shape.in_width - row) <= taps / 2 &&
                               std::abs(pixel % shape.in_width - column) <= taps / 2;
            CHECK(std::isfinite(out[k]) == !under);
          }
        }
      });
    }
  }
}

TEST_CASE("the forward pass takes Winograd where that is faster, within the precision's bound") {
  const auto choose = [](const ConvolutionShape& shape, Precision precision, Isa isa = Isa::kAvx2) {
    return ChooseForward(shape, 1, precision, isa).name();
  };
  if (!GetCpuFeatures().avx2) return;
  const ConvolutionShape large = Same(64, 256, 64, 64, 3), large5 = Same(64, 64, 32, 32, 5);
  CHECK(choose(large, Precision::kHighest) == "winograd-f4x4-3x3 f32 avx2");
  CHECK(choose(large, Precision::kHigh) == "winograd-f6x6-3x3 f32 avx2");
  CHECK(choose(large5, Precision::kHighest) == "winograd-f4x2-5x5 f32 avx2");
  CHECK(choose(large5, Precision::kMedium) == "winograd-f4x4-5x5 f32 avx2");
  CHECK(choose(large5, Precision::kHighest, Isa::kPortable) == "winograd-f2x2-5x5 f32 portable");
  CHECK(choose(Same(64, 1, 64, 64, 3), Precision::kHighest) == "direct f32 avx2");
  CHECK(choose(Same(64, 16, 64, 64, 3), Precision::kHighest) == "direct f32 avx2");
  CHECK(choose(Same(64, 256, 3, 3, 3), Precision::kHighest) == "direct f32 avx2");
  CHECK(choose(Same(64, 64, 4, 4, 3), Precision::kHighest) == "winograd-f2x2-3x3 f32 avx2");
  CHECK(choose(Same(64, 256, 64, 64, 7), Precision::kHighest) == "direct f32 avx2");
  ConvolutionShape strided = large;
  strided.stride_y = 2;
  CHECK(choose(strided, Precision::kHighest) == "direct f32 avx2");
}

}  // namespace convlstm::cpu
