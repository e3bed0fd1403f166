// The CUDA engine against a float64 reference and against the CPU's.
#define DOCTEST_CONFIG_IMPLEMENT
#include "cpu/engine.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/engines.h"
#include "cuda/tuning.h"
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
  const int64_t state = s.batch * s.hidden_dim * s.pixels();
  const ConvLstmOutputs outputs = {New(engine, state * s.time), New(engine, state),
                                   New(engine, state)};
  OnQueue(engine, [&] { engine.ConvLstm(s, inputs, precision, outputs); });
  return {Downloaded(engine, outputs.output), Downloaded(engine, outputs.h),
          Downloaded(engine, outputs.c)};
}

double ErrorOf(const Results& results, const ConvLstmReference<double>& expected) {
  return std::max({LargestError(results.output, expected.output),
                   LargestError(results.h, expected.h), LargestError(results.c, expected.c)});
}

ConvLstmShape ShapeOf(int64_t batch, int64_t time, int64_t in, int64_t hidden, int64_t height,
                      int64_t width, int64_t kernel_height, int64_t kernel_width,
                      bool time_major = false) {
  return {batch, time, time_major, in, hidden, height, width, kernel_height, kernel_width};
}

std::vector<ConvLstmCase> Cases() {
  return {
      MakeCase("one pixel", ShapeOf(1, 1, 1, 1, 1, 1, 3, 3)),
      MakeCase("1 and 17 channels, batch 3", ShapeOf(3, 4, 1, 17, 5, 7, 3, 3), {.states = true}),
      MakeCase("even kernel", ShapeOf(1, 3, 3, 20, 9, 8, 4, 2),
               {.states = true, .peephole = Peephole::kChannel}),
      MakeCase("spatial peephole", ShapeOf(2, 3, 8, 12, 5, 9, 3, 3),
               {.bias = false, .peephole = Peephole::kSpatial}),
      MakeCase("time major", ShapeOf(3, 3, 4, 36, 7, 11, 5, 5, true)),
      MakeCase("many channels", ShapeOf(2, 4, 64, 64, 16, 16, 3, 3)),
      MakeCase("large weights, spikes", ShapeOf(1, 5, 16, 32, 24, 24, 3, 3),
               {.states = true, .hard_weights = true, .spiky_x = true}),
  };
}

TEST_CASE("convLstm: every case, precision and tile, as a graph and step by step") {
  Engine& gpu = EngineOf(0);
  for (const ConvLstmCase& test : Cases()) {
    const ConvLstmReference<double> expected = RunReference<double>(test);
    const double plain = [&] {
      const ConvLstmReference<float> direct = RunReference<float>(test);
      return std::max(LargestError(direct.output, expected.output),
                      LargestError(direct.c, expected.c));
    }();
    for (const Precision precision : {Precision::kHighest, Precision::kHigh, Precision::kMedium}) {
      for (const bool graph : {true, false}) {
        for (const TileSize tile : {TileSize::kSmall, TileSize::kMedium, TileSize::kLarge}) {
          tuning = {graph, tile, std::nullopt};
          const Operands operands(gpu, test);
          const Results results = RunLayer(gpu, test.shape, operands.inputs, precision);
          const double error = ErrorOf(results, expected);
          std::printf("%s, precision %d, tile %d: error %.2e, of a direct convolution %.2e\n",
                      test.name.c_str(), static_cast<int>(precision), static_cast<int>(tile), error,
                      plain);
          CAPTURE(test.name);
          const bool hard = test.name.starts_with("large weights");
          if (precision == Precision::kHighest) CHECK(error <= (hard ? 2 * plain + 1e-6 : 1e-5));
          if (precision == Precision::kHigh && !hard) CHECK(error <= 1e-4);
          if (precision == Precision::kMedium && !hard) CHECK(error <= 2e-2);
        }
      }
    }
  }
  tuning = {};
}

TEST_CASE("convLstm: the same bits each time, graphs serve other tensors, layers follow") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(2, 6, 8, 16, 12, 12, 3, 3), {.states = true});
  const Operands operands(gpu, test), again(gpu, test);
  const Results first = RunLayer(gpu, test.shape, operands.inputs, Precision::kHighest);
  ConvLstmInputs moved = again.inputs;  // other memory, the weights that have the graph
  moved.weight = operands.inputs.weight;
  moved.bias = operands.inputs.bias;
  for (int k = 0; k < 3; ++k) {
    const Results results = RunLayer(gpu, test.shape, moved, Precision::kHighest);
    CHECK(results.output == first.output);
    CHECK(results.h == first.h);
    CHECK(results.c == first.c);
  }
  // A sequence in one call and step by step from its own states.
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

TEST_CASE("convLstm: x ahead of the steps, the same bits") {
  Engine& gpu = EngineOf(0);
  for (const bool time_major : {false, true}) {
    const ConvLstmCase test =
        MakeCase("", ShapeOf(3, 7, 20, 36, 11, 13, 3, 3, time_major), {.states = true});
    for (const Precision precision : {Precision::kHighest, Precision::kHigh, Precision::kMedium}) {
      const Operands operands(gpu, test);
      tuning = {.steps_at_once = 0};
      const Results expected = RunLayer(gpu, test.shape, operands.inputs, precision);
      for (const int64_t steps : {1, 2, 3, 7}) {
        for (const bool graph : {true, false}) {
          for (const TileSize tile : {TileSize::kMedium, TileSize::kLarge}) {
            tuning = {graph, tile, steps};
            const Operands fresh(gpu, test);  // a graph is kept with the weights
            const Results results = RunLayer(gpu, test.shape, fresh.inputs, precision);
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

// It is held against the tile that the tests of the host run. Both round operands alike; the tensor
// core adds in another order.
TEST_CASE("convLstm: wgmma as mma") {
  Engine& gpu = EngineOf(0);
  if (!static_cast<Device&>(gpu.memory()).has_wgmma()) {
    MESSAGE("no GPU of compute capability 9.0, or no code for it");
    return;
  }
  for (const ConvLstmCase& test : Cases()) {
    if (test.name.starts_with("large weights")) continue;
    for (const TileSize tile : {TileSize::kMedium, TileSize::kLarge}) {
      for (const int64_t steps : {0, 2}) {
        tuning = {true, tile, steps};
        const Results expected =
            RunLayer(gpu, test.shape, Operands(gpu, test).inputs, Precision::kMedium);
        tuning.wgmma = true;
        const Results results =
            RunLayer(gpu, test.shape, Operands(gpu, test).inputs, Precision::kMedium);
        CAPTURE(test.name);
        // A sum that differs in its last bit may round h to the next bfloat16, 2^-9, which a
        // weight passes on.
        CHECK(LargestError(results.output, expected.output) <= 1e-3);
        CHECK(LargestError(results.h, expected.h) <= 1e-3);
        CHECK(LargestError(results.c, expected.c) <= 1e-3);
      }
    }
  }
  tuning = {};
}

TEST_CASE("convLstmStack: the same bits as layer after layer") {
  Engine& gpu = EngineOf(0);
  const auto check = [&](const std::vector<int64_t>& hidden, int64_t time, bool time_major) {
    std::vector<ConvLstmLayer> layers;
    std::vector<Results> expected;
    StoragePtr x, stack_x;
    for (size_t l = 0; l < hidden.size(); ++l) {
      const ConvLstmShape s =
          ShapeOf(2, time, l == 0 ? 20 : hidden[l - 1], hidden[l], 9, 14, 3, 3, time_major);
      const ConvLstmCase test =
          MakeCase("", s, {.states = l % 2 == 0, .peephole = Peephole::kChannel}, 3);
      ConvLstmInputs inputs = Operands(gpu, test).inputs;
      if (l == 0) stack_x = inputs.x;
      inputs.x = l == 0 ? stack_x : x;
      expected.push_back(RunLayer(gpu, s, inputs, Precision::kHighest));
      x = Uploaded(gpu, expected.back().output);
      inputs.x = l == 0 ? stack_x : nullptr;
      const int64_t state = s.batch * s.hidden_dim * s.pixels();
      layers.push_back(
          {s, inputs, Precision::kHighest, {nullptr, New(gpu, state), New(gpu, state)}});
    }
    for (int call = 0; call < 2; ++call) {  // the second changes a node of the first's graph
      for (ConvLstmLayer& layer : layers) {
        layer.outputs.h = New(gpu, layer.outputs.h->elements());
        layer.outputs.c = New(gpu, layer.outputs.c->elements());
      }
      layers.back().outputs.output = New(gpu, layers.back().outputs.h->elements() * time);
      OnQueue(gpu, [&] { gpu.ConvLstmStack(layers); });
      CHECK(Downloaded(gpu, layers.back().outputs.output) == expected.back().output);
      for (size_t l = 0; l < layers.size(); ++l) {
        CHECK(Downloaded(gpu, layers[l].outputs.h) == expected[l].h);
        CHECK(Downloaded(gpu, layers[l].outputs.c) == expected[l].c);
      }
    }
  };
  for (const bool time_major : {false, true}) {
    for (const int64_t time : {1, 2, 9}) check({36, 5, 64}, time, time_major);
    for (const int64_t steps : {0, 2, 9}) {
      tuning.steps_at_once = steps;
      check({36, 5, 64}, 9, time_major);
    }
    tuning = {};
  }
  check(std::vector<int64_t>(18, 8), 4, false);  // more layers than one graph takes
}

// Both engines on the same operands.
template <typename Operation>
void CheckLikeCpu(const std::vector<std::vector<float>>& values, int64_t elements, double tolerance,
                  const Operation& operation) {
  std::vector<std::vector<float>> results;
  for (Engine* engine : {&cpu::CpuEngine(), &EngineOf(0)}) {
    std::vector<StoragePtr> operands;
    for (const std::vector<float>& v : values) operands.push_back(Uploaded(*engine, v));
    const StoragePtr out = New(*engine, elements);
    OnQueue(*engine, [&] { operation(*engine, operands, *out); });
    results.push_back(Downloaded(*engine, out));
  }
  CHECK(LargestError(results[1], results[0]) <= tolerance);
}
using StoragePtrs = std::vector<StoragePtr>;

TEST_CASE("operations: as the CPU's") {
  const std::vector<float> a = RandomValues(3 * 5 * 7 * 9), row = RandomValues(9);
  CheckLikeCpu({}, 1000, 0, [](Engine& e, const StoragePtrs&, Storage& out) { e.Fill(1.5f, out); });
  for (const UnaryOp op :
       {UnaryOp::kNeg, UnaryOp::kAbs, UnaryOp::kExp, UnaryOp::kSigmoid, UnaryOp::kTanh,
        UnaryOp::kRelu, UnaryOp::kLeakyRelu, UnaryOp::kSquare, UnaryOp::kSoftplus}) {
    CheckLikeCpu(
        {a}, static_cast<int64_t>(a.size()), 1e-5,
        [op](Engine& e, const StoragePtrs& x, Storage& out) { e.Unary(op, *x[0], 0.1f, out); });
  }
  for (const BinaryOp op : {BinaryOp::kAdd, BinaryOp::kSub, BinaryOp::kMul, BinaryOp::kMaximum,
                            BinaryOp::kMinimum, BinaryOp::kGreater, BinaryOp::kEqual}) {
    const BinaryShapes shapes = {{3, 5, 7, 9}, {9}, {3, 5, 7, 9}};
    CheckLikeCpu({a, row}, static_cast<int64_t>(a.size()), 1e-6,
                 [&](Engine& e, const StoragePtrs& x, Storage& out) {
                   e.Binary(op, shapes, *x[0], *x[1], out);
                 });
  }
  for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMean, ReduceOp::kMax}) {
    for (const std::vector<int64_t>& axes :
         {std::vector<int64_t>{}, {1, 3}, {0, 1, 2, 3}, {0}, {3}}) {
      const Reduction reduction = {op, {3, 5, 7, 9}, axes};
      CheckLikeCpu(
          {a}, NumElements(reduction.output()), 1e-4,
          [&](Engine& e, const StoragePtrs& x, Storage& out) { e.Reduce(reduction, *x[0], out); });
    }
  }
  CheckLikeCpu({a}, static_cast<int64_t>(a.size()), 0,
               [](Engine& e, const StoragePtrs& x, Storage& out) {
                 e.Permute({{3, 5, 7, 9}, {2, 0, 3, 1}}, *x[0], out);
               });
  CheckLikeCpu({a}, 2 * 2 * 4 * 3, 0, [](Engine& e, const StoragePtrs& x, Storage& out) {
    e.TakeSlice({{3, 5, 7, 9}, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}}, *x[0], out);
  });
  const std::vector<float> slab = RandomValues(3 * 5 * 9);
  CheckLikeCpu({a, slab}, static_cast<int64_t>(a.size() + slab.size()), 0,
               [&](Engine& e, const StoragePtrs& x, Storage& out) {
                 e.Concatenate({{{3, 5, 7, 9}, {3, 5, 1, 9}}, 2}, {x[0], x[1]}, out);
               });
}

TEST_CASE("masks, gradients, optimizers: as the CPU's") {
  const std::vector<float> x = RandomValues(2 * 4 * 6 * 5 * 7),
                           grad = RandomValues(2 * 4 * 6 * 5 * 7);
  const auto count = static_cast<int64_t>(x.size());
  CheckLikeCpu({}, 1003, 0, [](Engine& e, const StoragePtrs&, Storage& out) {
    e.FillBernoulli({0.3, 2.5f, 7, 0x80000000, 0xfffffffe}, out);
  });
  for (int op = 0; op <= static_cast<int>(UnaryOp::kSoftplus); ++op) {
    CheckLikeCpu({x, grad}, count, op == static_cast<int>(UnaryOp::kLog) ? 0.1 : 1e-5,
                 [op](Engine& e, const StoragePtrs& in, Storage& out) {
                   e.UnaryBackward(UnaryOp(op), *in[0], *in[1], 0.1f, out);
                 });
  }
  const Slice strided = {{3, 5, 7, 9}, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}};
  CheckLikeCpu({RandomValues(NumElements(strided.sizes))}, NumElements(strided.shape), 0,
               [&](Engine& e, const StoragePtrs& in, Storage& out) {
                 e.SliceBackward(strided, *in[0], out);
               });
  for (const OptimizerOptions& options :
       {OptimizerOptions(SgdOptions{0.1, 0.9, 0.1, true, 0.01}),
        OptimizerOptions(RmspropOptions{0.01, 0.9, 1e-3, 0.9, 0.1}),
        OptimizerOptions(AdamOptions{2, 0.01, 0.9, 0.999, 1e-8, 0.1, false})}) {
    std::vector<float> squares = RandomValues(count);
    for (float& value : squares) value *= value;
    const bool sgd = std::holds_alternative<SgdOptions>(options);
    for (int result = 0; result < (sgd ? 2 : 3); ++result) {
      CheckLikeCpu(
          {x, grad, squares, squares}, count, 1e-5,
          [&](Engine& e, const StoragePtrs& in, Storage& out) {
            OptimizerState after = {New(e, count), {New(e, count), New(e, count)}};
            if (sgd) after.slots[1] = nullptr;
            e.OptimizerStep(options, *in[1], {in[0], {in[2], sgd ? nullptr : in[3]}}, after);
            out.ShareElements(result == 0 ? *after.parameter : *after.slots[result - 1]);
          });
    }
  }
}

TEST_CASE("slices of frames are moved as they lie") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(2, 4, 3, 5, 6, 7, 3, 3));
  const Operands operands(gpu, test);
  const int64_t frame = 5 * 6 * 7;
  const ConvLstmOutputs outputs = {New(gpu, 8 * frame), New(gpu, 2 * frame), New(gpu, 2 * frame)};
  const StoragePtr taken = New(gpu, 4 * frame), back = New(gpu, 8 * frame);
  const Slice slice = {{2, 4, 5, 6, 7}, {0, 1, 0, 0, 0}, {2, 2, 5, 6, 7}, {1, 2, 1, 1, 1}};
  OnQueue(gpu, [&] {
    gpu.ConvLstm(test.shape, operands.inputs, Precision::kHighest, outputs);
    gpu.TakeSlice(slice, *outputs.output, *taken);
    gpu.SliceBackward(slice, *taken, *back);
  });
  CHECK(taken->channels_last());
  CHECK(back->channels_last());
  std::vector<float> expected = Downloaded(gpu, outputs.output);
  for (int64_t k = 0; k < static_cast<int64_t>(expected.size()); ++k) {
    if (k / frame % 4 % 2 == 0) expected[k] = 0;
  }
  CHECK(Downloaded(gpu, back) == expected);
}

TEST_CASE("conv2d: as the CPU's") {
  for (const Conv2dShape& s : {Conv2dShape{2, 5, 9, 11, 7, 3, 2, 2, 1, 1, 0, 1, 2},
                               Conv2dShape{1, 64, 32, 32, 130, 1, 1, 1, 1, 0, 0, 1, 1},
                               Conv2dShape{3, 16, 20, 20, 24, 5, 5, 1, 1, 2, 2, 1, 1}}) {
    const std::vector<float> x = RandomValues(s.batch * s.in_channels * s.height * s.width);
    const std::vector<float> weight =
        RandomValues(s.out_channels * s.in_channels * s.kernel_height * s.kernel_width, 0.1f);
    CheckLikeCpu({x, weight, RandomValues(s.out_channels)}, NumElements(s.output()), 2e-5,
                 [&](Engine& e, const StoragePtrs& in, Storage& out) {
                   e.Conv2d(s, {in[0], in[1], in[2]}, out);
                 });
  }
}

TEST_CASE("memory: large tensors there and back, out of memory leaves everything usable") {
  Engine& gpu = EngineOf(0);
  const std::vector<float> large = RandomValues((int64_t{20} << 20) / 4 + 7);  // several pieces
  CHECK(Downloaded(gpu, Uploaded(gpu, large)) == large);

  const StoragePtr huge = New(gpu, int64_t{1} << 40);
  try {
    OnQueue(gpu, [&] { gpu.Fill(0, *huge); });
    FAIL("4 TiB were allocated");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOutOfMemory);
    CHECK(std::strstr(error.what(), "asked for 4398046511104 bytes") != nullptr);
    CHECK(std::strstr(error.what(), "bytes are free") != nullptr);
  }
  CHECK(Downloaded(gpu, Uploaded(gpu, {1, 2, 3})) == std::vector<float>{1, 2, 3});
}

TEST_CASE("memory: what is given back, and the figures of it") {
  Engine& gpu = EngineOf(0);
  constexpr size_t kBytes = size_t{64} << 20;
  const size_t before = gpu.Statistics().live_bytes;
  {
    const StoragePtr large = New(gpu, kBytes / sizeof(float));
    OnQueue(gpu, [&] { gpu.Fill(1, *large); });
    CHECK(gpu.Statistics().live_bytes >= before + kBytes);
  }
  OnQueue(gpu, [] {});
  CHECK(gpu.Statistics().cached_bytes >= kBytes);
  gpu.EmptyCache();
  OnQueue(gpu, [] {});
  CHECK(gpu.Statistics().live_bytes < before + kBytes);
  CHECK(gpu.Statistics().cached_bytes < kBytes);
}

TEST_CASE("copies between two GPUs, rows and frames") {
  if (ListDevices().devices.size() < 2) {
    MESSAGE("not tested: there is one GPU");
    return;
  }
  Engine &first = EngineOf(0), &second = EngineOf(1);
  const auto copied = [](Engine& from, Engine& to, const StoragePtr& x) {
    const StoragePtr out = New(to, x->elements());
    Engine::Arrival arrival;
    OnQueue(from, [&] { arrival = from.StartPeerCopy(x, to); });
    OnQueue(to, [&] { arrival(*out); });
    return out;
  };
  const std::vector<float> values = RandomValues((1 << 20) + 3);
  StoragePtr x = Uploaded(first, values);
  for (int k = 0; k < 4; ++k) {  // the memory that each leaves is taken by the next
    x = copied(first, second, x);
    x = copied(second, first, x);
  }
  CHECK(Downloaded(first, x) == values);
  const ConvLstmCase test = MakeCase("", ShapeOf(1, 3, 3, 5, 6, 7, 3, 3));
  const Operands operands(first, test);
  const ConvLstmOutputs outputs = {New(first, 3 * 210), New(first, 210), New(first, 210)};
  OnQueue(first,
          [&] { first.ConvLstm(test.shape, operands.inputs, Precision::kHighest, outputs); });
  const StoragePtr there = copied(first, second, outputs.output);
  CHECK(there->channels_last());
  CHECK(Downloaded(second, there) == Downloaded(first, outputs.output));
}

TEST_CASE("engine: a device that is not there") {
  CHECK_THROWS_AS(EngineOf(static_cast<int>(ListDevices().devices.size())), Error);
}

// Memory that is nobody's, so that a kernel that reads it fails.
class Nowhere final : public Memory {
 public:
  Buffer Allocate(size_t bytes) override {
    return {reinterpret_cast<void*>(uintptr_t{1} << 40), bytes, bytes, *this};
  }

 private:
  void Release(void*, size_t) noexcept override {}
};

// In a process of its own, for which the device is lost then: `--fault`.
bool ReportsFaults() {
  Engine& gpu = EngineOf(0);
  static Nowhere nowhere;
  const auto error_of = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      std::printf("%s: %s\n", CodeName(error.code()), error.what());
      return error.code() == ErrorCode::kDevice ? error.what() : "";
    }
    return "";
  };
  const StoragePtr x = New(gpu, 1000), y = New(gpu, 1000);
  x->ReplaceByRowMajor(nowhere.Allocate(x->bytes()));
  const std::string fault = error_of([&] {
    OnQueue(gpu, [&] { gpu.Unary(UnaryOp::kExp, *x, 0, *y); });
    Downloaded(gpu, y);
  });
  bool reopen = true;
  for (int k = 0; k < 2; ++k) {
    const std::string later = error_of([&] { Uploaded(gpu, {1, 2, 3}); });
    reopen = reopen && later.find("reopen the device") != std::string::npos;
  }
  gpu.EmptyCache();
  gpu.Statistics();
  return fault.find("UnaryElements") != std::string::npos && reopen;
}

}  // namespace
}  // namespace convlstm::cuda

int main(int argc, char** argv) {
  const convlstm::cuda::Devices& found = convlstm::cuda::ListDevices();
  if (!found.reason.empty()) {
    std::printf("no GPU: %s\n", found.reason.c_str());
    const char* required = std::getenv("CONVLSTM_REQUIRE_CUDA");
    return required != nullptr && std::strcmp(required, "1") == 0 ? 1 : 77;
  }
  for (const auto& device : found.devices) {
    std::printf("%s, compute capability %s\n", device.name.c_str(),
                device.compute_capability.c_str());
  }
  if (argc == 2 && std::strcmp(argv[1], "--fault") == 0) {
    return convlstm::cuda::ReportsFaults() ? 0 : 1;
  }
  return doctest::Context(argc, argv).run();
}
