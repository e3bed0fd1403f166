// Tests every Winograd variant against float64, on every instruction set of this machine.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "cpu/conv_lstm/kernel.h"
#include "cpu/conv_lstm/winograd/tile.h"
#include "reference.h"

namespace convlstm::cpu {
namespace {

constexpr float kUntouched = 123.0f;
// Elements after the last frame: readable (core/buffer.h), never written.
constexpr int64_t kMargin = kBufferAlignment / sizeof(float);

void CheckMargin(const std::vector<float>& values) {
  CHECK(std::count(values.end() - kMargin, values.end(), kUntouched) == kMargin);
}

// Transposes [frame][channel][pixel] to [frame][pixel][channel], with a margin.
std::vector<float> ChannelsLastOf(const std::vector<float>& rows, int64_t channels,
                                  int64_t pixels) {
  std::vector<float> out(rows.size() + kMargin, kUntouched);
  const int64_t frames = static_cast<int64_t>(rows.size()) / (channels * pixels);
  for (int64_t f = 0; f < frames; ++f) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        out[(f * pixels + p) * channels + c] = rows[(f * channels + c) * pixels + p];
      }
    }
  }
  return out;
}

// Runs the kernel over the whole sequence; output is row-major, as in the reference.
std::vector<float> RunKernel(const ConvLstmKernel& kernel, const ConvLstmCase& test, int threads) {
  const ConvLstmShape& s = test.shape;
  const int64_t hidden = s.hidden_dim, frame = hidden * s.pixels();
  const auto or_null = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  ThreadPool pool(threads);
  const auto packed = kernel.Pack(s,
                                  {test.weight.data(),
                                   or_null(test.bias),
                                   test.peephole,
                                   {or_null(test.wci), or_null(test.wcf), or_null(test.wco)}},
                                  pool);
  const std::vector<float> x = ChannelsLastOf(test.x, s.input_dim, s.pixels());
  const std::vector<float> h0 = ChannelsLastOf(test.h0, hidden, s.pixels());
  const std::vector<float> no_state_yet(s.batch * frame);
  std::vector<float> c =
      ChannelsLastOf(test.c0.empty() ? no_state_yet : test.c0, hidden, s.pixels());
  // Separate allocations, so that the sanitizer finds accesses outside of frames.
  std::vector<std::vector<float>> h(s.batch * (s.time + 1));
  for (auto& values : h) values.assign(frame + kMargin, kUntouched);
  std::vector<float> output(s.batch * s.time * frame);
  for (int64_t t = 0; t < s.time; ++t) {
    std::vector<const float*> x_frames, h_in;
    std::vector<float*> h_out, c_frames;
    for (int64_t b = 0; b < s.batch; ++b) {
      x_frames.push_back(x.data() + s.frame(b, t) * s.input_dim * s.pixels());
      h_in.push_back(t == 0 ? h0.data() + b * frame : h[t * s.batch + b].data());
      h_out.push_back(h[(t + 1) * s.batch + b].data());
      c_frames.push_back(c.data() + b * frame);
    }
    const bool no_state = t == 0 && test.h0.empty();
    kernel.Step(s, *packed,
                {x_frames.data(), no_state ? nullptr : h_in.data(), h_out.data(), c_frames.data()},
                pool);
    for (int64_t b = 0; b < s.batch; ++b) {
      for (int64_t p = 0; p < s.pixels(); ++p) {
        for (int64_t k = 0; k < hidden; ++k) {
          output[s.frame(b, t) * frame + k * s.pixels() + p] = h_out[b][p * hidden + k];
        }
      }
    }
  }
  CheckMargin(c);
  for (const auto& values : h) CheckMargin(values);
  return output;
}

const ConvLstmKernel* KernelFor(const WinogradVariant& variant, Isa isa) {
  for (size_t index = 0; index < kWinogradVariants.size(); ++index) {
    const WinogradVariant& v = kWinogradVariants[index];
    if (v.taps == variant.taps && v.rows == variant.rows && v.columns == variant.columns) {
      return WinogradKernelOf(index, isa);
    }
  }
  return nullptr;
}

ConvLstmShape Shape(int64_t batch, int64_t time, int64_t input, int64_t hidden, int64_t height,
                    int64_t width, int64_t taps) {
  return {batch, time, false, input, hidden, height, width, taps, taps};
}

std::string NameOf(const WinogradVariant& v) {
  return "F(" + std::to_string(v.rows) + "x" + std::to_string(v.columns) + ", " +
         std::to_string(v.taps) + ")";
}

struct Limits {
  double error;
  double ratio;  // limit relative to the error of a plain float32 convolution; 0 for none
};
Limits LimitsOf(const WinogradVariant& v, Isa isa) {
  return v.products() <= (isa == Isa::kPortable ? 36 : 48) ? Limits{1e-5, 2} : Limits{1e-4, 0};
}

void Check(const ConvLstmCase& test, bool with_ratio) {
  const auto exact = RunReference<double>(test);
  const double plain =
      with_ratio ? LargestError(RunReference<float>(test).output, exact.output) : 0;
  for (const Isa isa : AvailableIsas()) {
    if (SimdIsa(isa) != isa) continue;
    for (const WinogradVariant& variant : kWinogradVariants) {
      if (static_cast<int64_t>(variant.taps) != test.shape.kernel_height) continue;
      const ConvLstmKernel* kernel = KernelFor(variant, isa);
      const double error = LargestError(RunKernel(*kernel, test, 2), exact.output);
      const Limits limits = LimitsOf(variant, isa);
      CAPTURE(test.name);
      CAPTURE(NameOf(variant));
      CAPTURE(std::string(IsaName(isa)));
      // The ratio applies where x and weights are too large for float32 to meet the limit.
      CHECK(error <= std::max(limits.error, plain));
      if (with_ratio && limits.ratio > 0) CHECK(error <= limits.ratio * plain);
      if (with_ratio) {
        MESSAGE(kernel->name(), " ", test.name, ": ", error, ", ", error / plain,
                " of a plain convolution's");
      }
    }
  }
}

TEST_CASE("winograd supports every shape, peephole and state") {
  for (const int64_t taps : {3, 5}) {
    int seed = 0;
    const auto check = [&](const std::string& name, ConvLstmShape shape, ConvLstmOptions options) {
      Check(MakeCase(name, shape, options, ++seed), false);
    };
    check("one pixel", Shape(1, 2, 1, 1, 1, 1, taps), {.states = true});
    check("odd", Shape(3, 3, 3, 5, 7, 9, taps), {.states = true});
    check("row", Shape(1, 3, 2, 17, 1, 13, taps), {});
    check("column", Shape(2, 2, 17, 16, 11, 1, taps), {.bias = false});
    check("tails", Shape(1, 3, 19, 35, 6, 10, taps), {.peephole = Peephole::kChannel});
    check("many blocks", Shape(2, 2, 4, 8, 30, 34, taps), {.peephole = Peephole::kSpatial});
    ConvLstmShape time_major = Shape(3, 3, 16, 16, 8, 8, taps);
    time_major.time_major = true;
    check("time first", time_major, {.states = true, .peephole = Peephole::kSpatial});
  }
}

TEST_CASE("winograd meets the accuracy of each precision") {
  for (const int64_t taps : {3, 5}) {
#ifdef CONVLSTM_BRIEF_TESTS
    // Brief: every code path once; other builds test the numbers.
    const ConvLstmShape layer = Shape(1, 2, 8, 64, 16, 16, taps);
    Check(MakeCase("spiky x", layer, {.bounded_x = true, .spiky_x = true}), true);
#else
    const ConvLstmShape layers[] = {Shape(1, 6, 8, 64, 16, 16, taps),
                                    Shape(1, 4, 64, 48, 12, 12, taps),
                                    Shape(1, 8, 1, 16, 20, 20, taps)};
    for (const ConvLstmShape& layer : layers) {
      const std::string name = std::to_string(layer.input_dim) + "->" +
                               std::to_string(layer.hidden_dim) + " " + std::to_string(taps);
      Check(MakeCase(name + " unit x", layer, {.bounded_x = true}), true);
      Check(MakeCase(name + " normal x", layer), true);
      Check(MakeCase(name + " hard weights", layer, {.bounded_x = true, .hard_weights = true}),
            true);
      Check(MakeCase(name + " spiky x", layer, {.bounded_x = true, .spiky_x = true}), true);
      Check(MakeCase(name + " hard weights, spiky x", layer,
                     {.bounded_x = true, .hard_weights = true, .spiky_x = true}),
            true);
    }
#endif
  }
}

TEST_CASE("a NaN in x reaches only the pixels under the kernel") {
  for (const int64_t taps : {3, 5}) {
    ConvLstmCase test = MakeCase("NaN", Shape(1, 1, 3, 16, 12, 12, taps), {.states = true});
    const int64_t row = 5, column = 6, pixels = test.shape.pixels();
    test.x[1 * pixels + row * 12 + column] = NAN;
    for (const Isa isa : AvailableIsas()) {
      for (const WinogradVariant& variant : kWinogradVariants) {
        const ConvLstmKernel* kernel = KernelFor(variant, isa);
        if (static_cast<int64_t>(variant.taps) != taps) continue;
        CAPTURE(kernel->name());
        const std::vector<float> h = RunKernel(*kernel, test, 1);
        for (int64_t p = 0; p < pixels; ++p) {
          const bool under =
              std::abs(p / 12 - row) <= taps / 2 && std::abs(p % 12 - column) <= taps / 2;
          CHECK(std::isnan(h[p]) == under);
        }
      }
    }
  }
}

TEST_CASE("winograd gives the same bits for every number of threads") {
  const ConvLstmCase test = MakeCase("threads", Shape(2, 3, 20, 40, 10, 14, 3));
  const ConvLstmKernel* kernel = KernelFor(kWinogradVariants[0], AvailableIsas().front());
  REQUIRE(kernel != nullptr);
  const std::vector<float> one = RunKernel(*kernel, test, 1);
  for (const int threads : {2, 3, 4, 8, 60}) CHECK(RunKernel(*kernel, test, threads) == one);
}

TEST_CASE("winograd is chosen if it saves products") {
  const auto find = [](ConvLstmShape shape, Precision precision) {
    const ConvLstmKernel* kernel =
        FindWinogradKernel({shape, Peephole::kNone, precision, Isa::kPortable});
    return kernel == nullptr ? std::string("none") : kernel->name();
  };
  const ConvLstmShape large = Shape(1, 1, 8, 64, 96, 96, 3);
  CHECK(find(large, Precision::kHighest) == "winograd-f4x4-3x3 f32 portable");
  CHECK(find(Shape(1, 1, 8, 64, 96, 96, 5), Precision::kHighest) ==
        "winograd-f2x2-5x5 f32 portable");
  CHECK(find(Shape(1, 1, 8, 64, 96, 96, 5), Precision::kHigh) == "winograd-f4x4-5x5 f32 portable");
  CHECK(find(Shape(1, 1, 8, 64, 2, 64, 3), Precision::kHighest) ==
        "winograd-f2x2-3x3 f32 portable");
  CHECK(find(Shape(1, 1, 8, 64, 1, 1, 3), Precision::kHighest) == "none");
  CHECK(find(Shape(1, 1, 8, 64, 96, 96, 7), Precision::kHighest) == "none");
  ConvLstmShape oblong = large;
  oblong.kernel_width = 5;
  CHECK(find(oblong, Precision::kHighest) == "none");
}

}  // namespace
}  // namespace convlstm::cpu
