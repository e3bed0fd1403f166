// Forward passes of the CUDA engine against a float64 reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cuda/device/device.h"
#include "cuda/device/tuning.h"
#include "cuda/engines.h"
#include "on_engine.h"
#include "operations.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

struct Results {
  std::vector<float> output, h, c;
};

Results RunLayer(Engine& engine, const ConvLstmShape& s, const ConvLstmInputs& inputs,
                 Precision precision) {
  const ConvLstmOutputs outputs = RunOn(engine, ConvLstm{{s, inputs, precision}}).outputs;
  return {Downloaded(engine, outputs.output), Downloaded(engine, outputs.h),
          Downloaded(engine, outputs.c)};
}

double ErrorOf(const Results& results, const ConvLstmReference<double>& expected) {
  return std::max({LargestError(results.output, expected.output),
                   LargestError(results.h, expected.h), LargestError(results.c, expected.c)});
}

std::vector<ConvLstmCase> Cases() {
  std::vector<ConvLstmCase> cases = {
      MakeCase("one pixel", ShapeOf(1, 1, 1, 1, 1, 1, 3, 3)),
      MakeCase("1 and 17 channels, batch 3", ShapeOf(3, 4, 1, 17, 5, 7, 3, 3), {.states = true}),
      MakeCase("even kernel", ShapeOf(1, 3, 3, 20, 9, 8, 4, 2),
               {.states = true, .peephole = Peephole::kChannel}),
      MakeCase("spatial peephole", ShapeOf(2, 3, 8, 12, 5, 9, 3, 3),
               {.bias = false, .peephole = Peephole::kSpatial}),
      MakeCase("a kernel too wide for wgmma", ShapeOf(1, 2, 2, 5, 4, 6, 3, 7)),
      MakeCase("time major", ShapeOf(3, 3, 4, 36, 7, 11, 3, 3, true)),
  };
  if (kBrief) return cases;
  cases.push_back(MakeCase("many taps", ShapeOf(3, 3, 4, 36, 7, 11, 5, 5)));
  cases.push_back(MakeCase("many channels", ShapeOf(2, 4, 64, 64, 16, 16, 3, 3)));
  cases.push_back(MakeCase("large weights, spikes", ShapeOf(1, 5, 16, 32, 24, 24, 3, 3),
                           {.states = true, .hard_weights = true, .spiky_x = true}));
  return cases;
}

TEST_CASE("convLstm: all cases, precisions and tiles, with and without a graph") {
  Engine& gpu = EngineOf(0);
  for (const ConvLstmCase& test : Cases()) {
    const ConvLstmReference<double> expected = RunReference<double>(test);
    const double direct_error = [&] {
      const ConvLstmReference<float> direct = RunReference<float>(test);
      return std::max(LargestError(direct.output, expected.output),
                      LargestError(direct.c, expected.c));
    }();
    for (const Precision precision : {Precision::kHighest, Precision::kHigh, Precision::kMedium}) {
      for (const bool graph : {true, false}) {
        for (const TileSize tile : {TileSize::kSmall, TileSize::kMedium, TileSize::kLarge}) {
          const int pair = static_cast<int>(precision) + static_cast<int>(tile);
          if (kBrief && pair % 3 != static_cast<int>(graph)) continue;
          tuning = {graph, tile, std::nullopt};
          const Operands operands(gpu, test);
          const Results results = RunLayer(gpu, test.shape, operands.inputs, precision);
          const double error = ErrorOf(results, expected);
          std::printf("%s, precision %d, tile %d: error %.2e, direct float32 convolution %.2e\n",
                      test.name.c_str(), static_cast<int>(precision), static_cast<int>(tile), error,
                      direct_error);
          CAPTURE(test.name);
          const bool hard = test.name.starts_with("large weights");
          if (precision == Precision::kHighest)
            CHECK(error <= (hard ? 2 * direct_error + 1e-6 : 1e-5));
          if (precision == Precision::kHigh && !hard) CHECK(error <= 1e-4);
          if (precision == Precision::kMedium && !hard) CHECK(error <= 2e-2);
        }
      }
    }
  }
  tuning = {};
}

TEST_CASE("convLstm: deterministic, graphs work for other tensors, a sequence equals its steps") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(2, 6, 8, 16, 12, 12, 3, 3), {.states = true});
  const Operands operands(gpu, test), again(gpu, test);
  const Results first = RunLayer(gpu, test.shape, operands.inputs, Precision::kHighest);
  ConvLstmInputs moved = again.inputs;  // other memory, but the weights of the cached graph
  moved.weight = operands.inputs.weight;
  moved.bias = operands.inputs.bias;
  for (int k = 0; k < 3; ++k) {
    const Results results = RunLayer(gpu, test.shape, moved, Precision::kHighest);
    CHECK(results.output == first.output);
    CHECK(results.h == first.h);
    CHECK(results.c == first.c);
  }
  // A sequence equals single steps that pass on their states.
  ConvLstmInputs step = operands.inputs;
  const ConvLstmShape one = [&] {
    ConvLstmShape shape = test.shape;
    shape.time = 1;
    return shape;
  }();
  const int64_t frame = test.shape.input_dim * test.shape.pixels();
  Results results;
  for (int64_t t = 0; t < test.shape.time; ++t) {
    std::vector<float> x;
    for (int64_t b = 0; b < test.shape.batch; ++b) {
      const auto begin = test.x.begin() + test.shape.frame(b, t) * frame;
      x.insert(x.end(), begin, begin + frame);
    }
    step.x = Uploaded(gpu, x);
    results = RunLayer(gpu, one, step, Precision::kHighest);
    step.h0 = Uploaded(gpu, results.h);
    step.c0 = Uploaded(gpu, results.c);
  }
  CHECK(results.h == first.h);
  CHECK(results.c == first.c);
}

TEST_CASE("convLstm: an input projection does not change the bits") {
  Engine& gpu = EngineOf(0);
  for (const bool time_major : {false, true}) {
    const ConvLstmShape shape = kBrief ? ShapeOf(3, 7, 5, 18, 3, 5, 3, 3, time_major)
                                       : ShapeOf(3, 7, 20, 36, 11, 13, 3, 3, time_major);
    const ConvLstmCase test = MakeCase("", shape, {.states = true});
    for (const Precision precision : {Precision::kHighest, Precision::kHigh, Precision::kMedium}) {
      if (kBrief && precision == Precision::kMedium) continue;
      const Operands operands(gpu, test);
      tuning = {.steps_per_projection = 0};
      const Results expected = RunLayer(gpu, test.shape, operands.inputs, precision);
      for (const int64_t steps : {1, 2, 3, 7}) {
        for (const bool graph : {true, false}) {
          for (const TileSize tile : {TileSize::kMedium, TileSize::kLarge}) {
            if (kBrief && graph == (tile == TileSize::kLarge)) continue;
            tuning = {graph, tile, steps};
            const Results results = RunLayer(gpu, test.shape, operands.inputs, precision);
            CHECK(results.output == expected.output);
            CHECK(results.h == expected.h);
            CHECK(results.c == expected.c);
          }
        }
      }
    }
  }
  tuning = {};
}

// wgmma against mma, which the host tests cover. Both round operands alike, but accumulate in
// another order.
TEST_CASE("convLstm: wgmma equals mma") {
  Engine& gpu = EngineOf(0);
  if (!static_cast<Device&>(gpu.memory()).has_wgmma()) {
    MESSAGE("skipped: no GPU of compute capability 9.0, or no code for it");
    return;
  }
  for (const ConvLstmCase& test : Cases()) {
    if (test.name.starts_with("large weights")) continue;
    for (const TileSize tile : {TileSize::kMedium, TileSize::kLarge}) {
      for (const int64_t steps : {0, 2}) {
        for (const Precision precision : {Precision::kHigh, Precision::kMedium}) {
          if (kBrief && (steps > 0) == (tile == TileSize::kLarge)) continue;
          tuning = {true, tile, steps};
          const Operands operands(gpu, test);
          const Results expected = RunLayer(gpu, test.shape, operands.inputs, precision);
          tuning.wgmma = true;
          const Results results = RunLayer(gpu, test.shape, operands.inputs, precision);
          CAPTURE(test.name);
          CAPTURE(static_cast<int>(tile));
          // A difference in the last bit may round h to the next bfloat16, 2^-9 apart, which the
          // next step multiplies by a weight.
          const double limit = precision == Precision::kMedium ? 1e-3 : 1e-5;
          CHECK(LargestError(results.output, expected.output) <= limit);
          CHECK(LargestError(results.h, expected.h) <= limit);
          CHECK(LargestError(results.c, expected.c) <= limit);
        }
      }
    }
  }
  tuning = {};
}

TEST_CASE("convLstm: masks and zoneout, with and without a graph") {
  Engine& gpu = EngineOf(0);
  for (const bool one : {false, true}) {
    ConvLstmCase test =
        MakeCase("", ShapeOf(2, 6, 8, 20, 7, 9, 3, 3), {.states = true, .masks = true});
    if (one) test.zoneout_h = test.zoneout_c = {0.1f};
    const ConvLstmReference<double> expected = RunReference<double>(test);
    Results first;
    for (const bool graph : {false, true, true}) {
      tuning.graph = graph;
      const Results results =
          RunLayer(gpu, test.shape, Operands(gpu, test).inputs, Precision::kHighest);
      CHECK(ErrorOf(results, expected) <= 1e-5);
      if (!graph) first = results;
      CHECK(results.output == first.output);
      CHECK(results.c == first.c);
    }
  }
  tuning = {};
}

TEST_CASE("convLstm: more graphs than the cache holds, and emptyCache") {
  Engine& gpu = EngineOf(0);
  for (int round = 0; round < 2; ++round) {
    for (int64_t width = 1; width <= 70; ++width) {
      const ConvLstmCase test = MakeCase("", ShapeOf(1, 2, 2, 4, 2, width, 3, 3));
      const Results results =
          RunLayer(gpu, test.shape, Operands(gpu, test).inputs, Precision::kHighest);
      CHECK(ErrorOf(results, RunReference<double>(test)) <= 1e-5);
    }
    gpu.EmptyCache();
  }
}

TEST_CASE("convLstmStack: the bits of layer after layer") {
  Engine& gpu = EngineOf(0);
  const auto check = [&](const std::vector<int64_t>& hidden, int64_t time, bool time_major) {
    std::vector<ConvLstmLayer> layers;
    std::vector<Results> expected;
    StoragePtr x, stack_x;
    for (size_t l = 0; l < hidden.size(); ++l) {
      const ConvLstmShape s = ShapeOf(2, time, l == 0 ? 20 : hidden[l - 1], hidden[l],
                                      kBrief ? 2 : 9, 14, 3, 3, time_major);
      const ConvLstmCase test =
          MakeCase("", s, {.states = l % 2 == 0, .peephole = Peephole::kChannel}, 3);
      ConvLstmInputs inputs = Operands(gpu, test).inputs;
      if (l == 0) stack_x = inputs.x;
      inputs.x = l == 0 ? stack_x : x;
      expected.push_back(RunLayer(gpu, s, inputs, Precision::kHighest));
      x = Uploaded(gpu, expected.back().output);
      inputs.x = l == 0 ? stack_x : nullptr;
      layers.push_back({s, inputs});
    }
    for (int call = 0; call < 2; ++call) {  // the second updates the graph of the first
      const std::vector<ConvLstmLayer> ran = RunOn(gpu, ConvLstmStack{layers}).layers;
      CHECK(Downloaded(gpu, ran.back().outputs.output) == expected.back().output);
      for (size_t l = 0; l < ran.size(); ++l) {
        CHECK(Downloaded(gpu, ran[l].outputs.h) == expected[l].h);
        CHECK(Downloaded(gpu, ran[l].outputs.c) == expected[l].c);
      }
    }
  };
  for (const bool time_major : {false, true}) {
    const std::vector<int64_t> hidden =
        kBrief ? std::vector<int64_t>{18, 5, 8} : std::vector<int64_t>{36, 5, 64};
    const int64_t longest = kBrief ? 4 : 9;
    for (const int64_t time : {int64_t{1}, int64_t{2}, longest}) check(hidden, time, time_major);
    for (const int64_t steps : {int64_t{0}, int64_t{2}, longest}) {
      tuning.steps_per_projection = steps;
      check(hidden, longest, time_major);
    }
    tuning = {};
  }
  check(std::vector<int64_t>(18, 8), 4, false);  // more layers than a graph holds
}

}  // namespace
}  // namespace convlstm::cuda
