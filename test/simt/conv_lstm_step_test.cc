// The ConvLSTM step against a float64 reference, on the host.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "simt/layer.h"

namespace convlstm::cuda {
namespace {

// The largest error of output and c over the sequence, and of the saved gates, from which c and h
// are recomputed.
template <class T>
double ErrorOf(const ConvLstmCase& test) {
  const ConvLstmShape& s = test.shape;
  const ConvLstmReference<double> expected = RunReference<double>(test);
  const std::vector<LayerStep> steps = RunSteps<T>(test);
  if (test.recurrent_mask.empty()) {
    const std::vector<LayerStep> plain = RunSteps<T>(test, false);
    CHECK(plain.back().h == steps.back().h);
    CHECK(plain.back().c == steps.back().c);
  }
  const std::vector<float> output(expected.output.begin(), expected.output.end());
  double error = LargestError(steps.back().c, ChannelsLast(expected.c, s.hidden_dim, s.pixels()));
  for (int64_t t = 0; t < s.time; ++t) {
    const LayerStep& step = steps[t];
    error = std::max(error, LargestError(step.h, StepFrames(output, s, s.hidden_dim, t)));
    if (!test.zoneout_c.empty()) continue;
    std::vector<double> c(step.c.size());
    for (size_t k = 0; k < c.size(); ++k) {
      const size_t hidden = s.hidden_dim, gate = k / hidden * 4 * hidden + k % hidden;
      const float* const i = step.gates.data() + gate;
      const double before = step.c_before.empty() ? 0 : step.c_before[k];
      c[k] = i[hidden] * before + i[0] * i[3 * hidden];
      if (test.zoneout_h.empty()) c[k] += i[2 * hidden] * std::tanh(step.c[k]) - step.h[k];
    }
    error = std::max(error, LargestError(step.c, c));
  }
  return error;
}

std::vector<ConvLstmCase> Cases() {
  const auto shape = [](int64_t batch, int64_t time, int64_t in, int64_t hidden, int64_t height,
                        int64_t width, int64_t kernel_height, int64_t kernel_width) {
    return ConvLstmShape{batch,  time,  false,         in,          hidden,
                         height, width, kernel_height, kernel_width};
  };
  return {
      MakeCase("one pixel, one channel", shape(1, 1, 1, 1, 1, 1, 3, 3)),
      MakeCase("one pixel, h0 and c0, T = 3", shape(1, 3, 1, 1, 1, 1, 3, 3), {.states = true}),
      MakeCase("17 channels, batch 3", shape(3, 2, 17, 17, 3, 3, 3, 3), {.states = true}),
      MakeCase("even kernel, peephole", shape(1, 2, 3, 20, 6, 7, 4, 2),
               {.states = true, .peephole = Peephole::kChannel}),
      MakeCase("channels a multiple of 4, spatial peephole", shape(2, 2, 8, 12, 5, 4, 3, 3),
               {.bias = false, .peephole = Peephole::kSpatial}),
      MakeCase("several blocks, time major",
               [&] {
                 ConvLstmShape s = shape(2, 2, 4, 20, 7, 11, 5, 5);
                 s.time_major = true;
                 return s;
               }()),
      MakeCase("40 and 52 channels", shape(1, 2, 40, 52, 3, 9, 3, 2), {.states = true}),
      MakeCase("1x1", shape(1, 2, 5, 4, 4, 4, 1, 1), {.hard_weights = true}),
      MakeCase("masks, no h0 and c0", shape(2, 3, 3, 5, 4, 3, 3, 3), {.masks = true}),
      MakeCase("masks, channels a multiple of 4", shape(3, 2, 4, 8, 3, 3, 3, 3),
               {.states = true, .peephole = Peephole::kChannel, .masks = true}),
  };
}

template <template <Math> class TileOf, Math kMath>
void CheckCases(double tolerance) {
  for (const ConvLstmCase& test : Cases()) {
    CAPTURE(test.name);
    const double error = ErrorOf<TileOf<kMath>>(test);
    CHECK(error <= tolerance);
  }
}

TEST_CASE("step: FMA") {
  CheckCases<SmallTile, Math::kFma>(1e-6);
  CheckCases<MediumTile, Math::kFma>(1e-6);
}

#if CONVLSTM_CUDA_ARCH >= 800
TEST_CASE("step: three TF32 products") {
  CheckCases<SmallTile, Math::kTf32x3>(1e-6);
  CheckCases<MediumTile, Math::kTf32x3>(1e-6);
  CheckCases<LargeTile, Math::kTf32x3>(1e-6);
}
TEST_CASE("step: three bfloat16 products") {
  CheckCases<SmallTile, Math::kBf16x3>(5e-5);
  CheckCases<MediumTile, Math::kBf16x3>(5e-5);
}
TEST_CASE("step: one bfloat16 product") {
  CheckCases<SmallTile, Math::kBf16>(2e-2);
  CheckCases<LargeTile, Math::kBf16>(2e-2);
}
TEST_CASE("step: bfloat16 products by wgmma") {
  CheckCases<MediumTile, Math::kBf16x3Wgmma>(5e-5);
  CheckCases<LargeTile, Math::kBf16x3Wgmma>(5e-5);
  CheckCases<MediumTile, Math::kBf16Wgmma>(2e-2);
  CheckCases<LargeTile, Math::kBf16Wgmma>(2e-2);
}
#endif

}  // namespace
}  // namespace convlstm::cuda
