// Backward passes of the CUDA engine against float64 references.
#include <doctest/doctest.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "cpu/engine.h"
#include "cuda/device/tuning.h"
#include "cuda/engines.h"
#include "gradient_reference.h"
#include "on_engine.h"
#include "operations.h"

namespace convlstm::cuda {
namespace {

struct Gradients {
  std::vector<float> x, h0, c0, weight, bias, wci, wcf, wco;
  bool operator==(const Gradients&) const = default;
};

// Calls visit(name, a, b) for each gradient that is present in `a`.
template <typename A, typename B, typename Visitor>
void ForEachGradient(const A& a, const B& b, const Visitor& visit) {
  const auto one = [&](const char* name, const auto& from_a, const auto& from_b) {
    if (!from_a.empty()) visit(name, from_a, from_b);
  };
  one("x", a.x, b.x);
  one("h0", a.h0, b.h0);
  one("c0", a.c0, b.c0);
  one("weight", a.weight, b.weight);
  one("bias", a.bias, b.bias);
  one("wci", a.wci, b.wci);
  one("wcf", a.wcf, b.wcf);
  one("wco", a.wco, b.wco);
}

// Runs a forward and a backward pass. `output`, unless null, receives the output of the former.
Gradients Run(Engine& engine, const ConvLstmCase& test, const ConvLstmResultGradients& given,
              int64_t save_every, Precision precision, std::vector<float>* output = nullptr) {
  const ConvLstmShape& s = test.shape;
  const ConvLstmInputs inputs = Operands(engine, test).inputs;
  ConvLstm forward = {{s, inputs, precision}};
  forward.outputs.save_every = save_every;
  const ConvLstmOutputs outputs = RunOn(engine, forward).outputs;
  const ConvLstmBackwardInputs backward = {inputs,
                                           outputs.output,
                                           outputs.saved,
                                           save_every,
                                           Uploaded(engine, given.output),
                                           Uploaded(engine, given.h),
                                           Uploaded(engine, given.c)};
  const ConvLstmGradients gradients =
      RunOn(engine, ConvLstmBackward{s, backward, precision}).gradients;
  if (output != nullptr) *output = Downloaded(engine, outputs.output);
  const auto values = [&](const StoragePtr& gradient) {
    return gradient == nullptr ? std::vector<float>() : Downloaded(engine, gradient);
  };
  return {values(gradients.x),      values(gradients.h0),   values(gradients.c0),
          values(gradients.weight), values(gradients.bias), values(gradients.wci),
          values(gradients.wcf),    values(gradients.wco)};
}

std::vector<ConvLstmCase> RandomCases() {
  std::mt19937 random(7);
  const auto draw = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  };
  std::vector<ConvLstmCase> cases;
  for (int k = 0; k < (kBrief ? 4 : 24); ++k) {
    const bool small = k < 20;  // the large ones have several tiles and slices
    const ConvLstmShape s = {draw(1, 3),
                             draw(1, 5),
                             draw(0, 1) == 1,
                             draw(1, small ? 20 : 80),
                             small ? draw(1, 40) : 16 * draw(2, 5),
                             draw(1, small ? 9 : 30),
                             draw(1, small ? 9 : 30),
                             draw(1, 5),
                             draw(1, 5)};
    ConvLstmOptions options;
    options.bias = draw(0, 3) > 0;
    options.states = draw(0, 1) == 1;
    options.masks = draw(0, 2) == 0;
    options.peephole = static_cast<Peephole>(draw(0, 2));
    cases.push_back(MakeCase("random " + std::to_string(k), s, options, 100 + k));
  }
  return cases;
}

TEST_CASE("convLstmBackward: accuracy; save_every and graphs do not change the bits") {
  Engine& gpu = EngineOf(0);
  const double tolerance[] = {1e-5, 1e-3, 5e-2};
  for (const ConvLstmCase& test : RandomCases()) {
    CAPTURE(test.name);
    const ConvLstmShape& s = test.shape;
    const int64_t state = s.batch * s.hidden_dim * s.pixels();
    const ConvLstmResultGradients given = {RandomValues(s.time * state), RandomValues(state),
                                           RandomValues(state)};
    const ConvLstmGradientValues exact = ConvLstmGradientReference(test).Run(given);
    const ConvLstmReference<double> expected = RunReference<double>(test);
    for (const Precision precision : {Precision::kHighest, Precision::kHigh, Precision::kMedium}) {
      const double limit = tolerance[static_cast<int>(precision)];
      std::vector<float> output;
      const Gradients first = Run(gpu, test, given, 1, precision, &output);
      CHECK(LargestError(output, expected.output) <= limit);
      double largest = 0;
      ForEachGradient(first, exact, [&](const char* name, const auto& found, const auto& value) {
        CAPTURE(name);
        const double error = RelativeError(found, value);
        largest = std::max(largest, error);
        // Small gradients may be sums that cancel, so that their relative error has no bound.
        if (precision == Precision::kHighest || found.size() > 100) CHECK(error <= limit);
      });
      std::printf("%s, precision %d: error of gradients %.2e\n", test.name.c_str(),
                  static_cast<int>(precision), largest);
      for (const int64_t save_every : {1, 2, 3, 100}) {
        if (kBrief && save_every != 2 && precision != Precision::kHighest) continue;
        CHECK(Run(gpu, test, given, save_every, precision) == first);  // the graph is reused
        if (kBrief && save_every != 1) continue;
        tuning.graph = false;
        CHECK(Run(gpu, test, given, save_every, precision) == first);
        tuning = {};
      }
    }
  }
}

TEST_CASE("conv2dBackward: random geometries equal the CPU's gradients") {
  std::mt19937 random(3);
  const auto draw = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  };
  for (int k = 0; k < (kBrief ? 4 : 24); ++k) {
    const Conv2dShape s = {draw(1, 3), draw(1, 40), draw(5, 24), draw(5, 24), draw(1, 140),
                           draw(1, 3), draw(1, 3),  draw(1, 4),  draw(1, 4),  draw(0, 2),
                           draw(0, 2), draw(1, 2),  draw(1, 2)};
    const std::vector<float> x = RandomValues(s.batch * s.in_channels * s.height * s.width);
    const std::vector<float> weight =
        RandomValues(s.out_channels * s.in_channels * s.kernel_height * s.kernel_width);
    const std::vector<float> grad = RandomValues(NumElements(s.output()));
    std::vector<std::vector<float>> found[2];
    for (int side = 0; side < 2; ++side) {
      Engine& engine = side == 0 ? cpu::CpuEngine() : EngineOf(0);
      const Conv2dInputs inputs = {Uploaded(engine, x), Uploaded(engine, weight), nullptr};
      const StoragePtr deltas = Uploaded(engine, grad);
      const Conv2dGradients gradients =
          RunOn(engine, Conv2dBackward{{s, inputs}, deltas}).gradients;
      for (const StoragePtr& gradient : {gradients.x, gradients.weight, gradients.bias}) {
        found[side].push_back(Downloaded(engine, gradient));
      }
    }
    for (int gradient = 0; gradient < 3; ++gradient) {
      CHECK(RelativeError(found[1][gradient], found[0][gradient]) <= 1e-5);
    }
  }
}

}  // namespace
}  // namespace convlstm::cuda
