// convlstm_cuda_bench [NAME]: times the workloads on a GPU in every precision, one line of JSON per
// variant: the engine's choice, each tile, with and without an input projection, without a graph,
// by wgmma, stacks layer by layer, and forward with backward. Times are device times by events, the
// median of 50 calls after a warm-up, with rotated inputs. Before timing, a variant's output is
// compared with that of the engine's choice at `highest`, which the tests check against float64.
// --once NAME PRECISION [training] makes a single call, for a profiler.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "conv_lstm_workloads.h"
#include "core/error.h"
#include "cuda/device/device.h"
#include "cuda/device/tuning.h"
#include "cuda/engines.h"
#include "on_engine.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

using cpu::Flops;
using cpu::Stack;
using cpu::Workload;

const Workload kWorkloads[] = {
    {"W1", Stack(1, 10, 1, {64}, 64, 3)},
    {"X1", Stack(1, 10, 64, {64}, 64, 3)},
    {"W2", Stack(8, 10, 16, {128, 64, 64}, 16, 5)},
    {"W2, layer 1", Stack(8, 10, 16, {128}, 16, 5)},
    {"W2, layer 2", Stack(8, 10, 128, {64}, 16, 5)},
    {"W3", Stack(1, 8, 3, {64, 64, 128}, 64, 3)},
    {"W3, layer 3", Stack(1, 8, 64, {128}, 64, 3)},
    {"W4a", Stack(1, 1, 8, {64}, 480, 3)},
    {"W4b", Stack(1, 1, 8, {64}, 96, 3)},
    {"W4c", Stack(1, 1, 192, {192}, 32, 3)},
    {"step 64x64", Stack(1, 1, 64, {64}, 64, 3)},
    {"batch 64", Stack(64, 10, 64, {64}, 64, 3)},
    {"ConvLSTM-S", Stack(16, 10, 128, {128, 128, 128, 128}, 16, 5)},
    {"ConvLSTM-S layer", Stack(16, 10, 128, {128}, 16, 5)},
};

// Operands of a stack on the device, with several copies of x and states.
struct StackOperands {
  const std::vector<ConvLstmShape>& shapes;
  std::vector<std::vector<ConvLstmInputs>> inputs;  // by copy and layer

  StackOperands(Engine& engine, const Workload& workload, int copies) : shapes(workload.layers) {
    for (int k = 0; k < copies; ++k) {
      std::vector<ConvLstmInputs>& layers = inputs.emplace_back();
      for (size_t l = 0; l < shapes.size(); ++l) {
        const ConvLstmCase test = MakeCase("", shapes[l], {.states = true, .bounded_x = true},
                                           static_cast<uint32_t>(k + 1));
        const auto upload = [&](const std::vector<float>& values) {
          auto storage =
              std::make_shared<Storage>(static_cast<int64_t>(values.size()), engine.memory());
          OnQueue(engine, engine.Upload(values.data(), storage));
          return storage;
        };
        ConvLstmInputs in;
        if (l == 0) in.x = upload(test.x);
        in.weight = k == 0 ? upload(test.weight) : inputs.front()[l].weight;
        in.bias = k == 0 ? upload(test.bias) : inputs.front()[l].bias;
        in.h0 = upload(test.h0);
        in.c0 = upload(test.c0);
        layers.push_back(in);
      }
    }
  }

  // Minimum memory traffic of a call: x, output, states and weights once.
  double Bytes() const {
    double elements = static_cast<double>(inputs.front().front().x->elements());
    for (size_t l = 0; l < shapes.size(); ++l) {
      const ConvLstmInputs& in = inputs.front()[l];
      elements += static_cast<double>(4 * in.h0->elements() + in.weight->elements());
      if (l + 1 == shapes.size()) {
        elements += static_cast<double>(shapes[l].time * in.h0->elements());
      }
    }
    return 4 * elements;
  }

  // Returns the output.
  StoragePtr Run(Engine& engine, int k, Precision precision, bool one_by_one) const {
    const auto storage = [&](int64_t elements) {
      return std::make_shared<Storage>(elements, engine.memory());
    };
    std::vector<ConvLstmLayer> layers;
    StoragePtr x;
    for (size_t l = 0; l < shapes.size(); ++l) {
      const ConvLstmShape& s = shapes[l];
      const int64_t state = s.batch * s.hidden_dim * s.pixels();
      ConvLstmLayer layer = {
          s, inputs[k % inputs.size()][l], precision, {nullptr, storage(state), storage(state)}};
      if (one_by_one || l + 1 == shapes.size()) layer.outputs.output = storage(state * s.time);
      if (one_by_one) {
        if (l > 0) layer.inputs.x = x;
        engine.Run(ConvLstm{layer});
        x = layer.outputs.output;
      }
      layers.push_back(layer);
    }
    if (!one_by_one) engine.Run(ConvLstmStack{layers});
    return layers.back().outputs.output;
  }

  // A layer's forward pass, saving everything, and its backward pass for all gradients.
  StoragePtr Train(Engine& engine, int k, Precision precision) const {
    const ConvLstmShape& s = shapes.front();
    const ConvLstmInputs& in = inputs[k % inputs.size()].front();
    const auto like = [&](const StoragePtr& storage) {
      return std::make_shared<Storage>(storage->elements(), engine.memory());
    };
    const auto sequence = std::make_shared<Storage>(in.h0->elements() * s.time, engine.memory());
    const auto saved = std::make_shared<Storage>(SavedElements(s, 1), engine.memory());
    const ConvLstmOutputs outputs = {sequence, like(in.h0), like(in.c0), saved, 1};
    engine.Run(ConvLstm{{s, in, precision, outputs}});
    engine.Run(ConvLstmBackward{s,
                                {in, sequence, saved, 1, sequence, nullptr, nullptr},
                                precision,
                                {},
                                {like(in.x), like(in.h0), like(in.c0), like(in.weight),
                                 like(in.bias), nullptr, nullptr, nullptr}});
    return sequence;
  }
};

// Median milliseconds of a call on the device's stream. Queue thread only.
template <typename Call>
double Measure(Engine& engine, const Call& call) {
  const auto stream = static_cast<Device&>(engine.memory()).stream();
  cudaEvent_t begin, end;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  std::vector<float> times;
  for (int k = 0; k < 60; ++k) {
    cudaEventRecord(begin, stream);
    call(k);
    cudaEventRecord(end, stream);
    cudaEventSynchronize(end);
    float milliseconds = 0;
    cudaEventElapsedTime(&milliseconds, begin, end);
    if (k >= 10) times.push_back(milliseconds);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

constexpr const char* kPrecisions[] = {"highest", "high", "medium"};

struct Variant {
  const char* name;
  Tuning tuning;
  bool one_by_one = false;  // layer by layer
  bool training = false;
};

std::vector<Variant> VariantsOf(const Workload& workload) {
  std::vector<Variant> variants = {{"chosen", {}},
                                   {"small", {.tile = TileSize::kSmall}},
                                   {"medium", {.tile = TileSize::kMedium}},
                                   {"large", {.tile = TileSize::kLarge}}};
  const int64_t time = workload.layers.front().time;
  if (time > 1) {
    variants.push_back({"no graph", {.graph = false}});
    variants.push_back({"x in every step", {.steps_per_projection = 0}});
    variants.push_back({"x of 2 steps ahead", {.steps_per_projection = 2}});
    variants.push_back({"x of half the steps ahead", {.steps_per_projection = (time + 1) / 2}});
    variants.push_back({"x of all steps ahead", {.steps_per_projection = time}});
  }
  variants.push_back({"wgmma, medium", {.tile = TileSize::kMedium, .wgmma = true}});
  variants.push_back({"wgmma, large", {.tile = TileSize::kLarge, .wgmma = true}});
  if (workload.layers.size() > 1) {
    variants.push_back({"layer after layer", {}, true});
  } else if (time > 1) {
    variants.push_back({"forward and backward", {}, false, true});
    variants.push_back({"forward and backward, no graph", {.graph = false}, false, true});
  }
  return variants;
}

void Bench(Engine& engine, const Workload& workload) {
  const StackOperands operands(engine, workload, 3);
  const double tolerance[] = {1e-5, 1e-4, 2e-2};
  std::vector<float> expected;
  for (int p = 0; p < 3; ++p) {
    for (const Variant& variant : VariantsOf(workload)) {
      tuning = variant.tuning;
      const bool has_wgmma = static_cast<Device&>(engine.memory()).has_wgmma();
      const auto precision = static_cast<Precision>(p);
      if (tuning.wgmma && (!has_wgmma || precision == Precision::kHighest)) continue;
      for (const ConvLstmInputs& in : operands.inputs.front()) in.weight->derived().clear();
      const auto call = [&](int k) {
        return variant.training ? operands.Train(engine, k, precision)
                                : operands.Run(engine, k, precision, variant.one_by_one);
      };
      std::vector<float> output;
      OnQueue(engine, [&] {
        const StoragePtr result = call(0);
        output.resize(result->elements());
        engine.StartDownload(result)(output.data());
      });
      if (expected.empty()) expected = output;
      const double error = LargestError(output, expected);
      std::printf(
          "{\"workload\": \"%s\", \"precision\": \"%s\", \"variant\": \"%s\", \"error\": %.2e",
          workload.name, kPrecisions[p], variant.name, error);
      if (!(error <= tolerance[p])) {
        std::puts(", \"wrong\": true}");
        continue;
      }
      double milliseconds = 0;
      OnQueue(engine, [&] { milliseconds = Measure(engine, call); });
      const double flops = Flops(workload) * (variant.training ? 3 : 1);
      std::printf(", \"ms\": %.5f, \"flops\": %.4e, \"bytes\": %.4e, \"tflops\": %.2f}\n",
                  milliseconds, flops, operands.Bytes(), flops / milliseconds / 1e9);
    }
  }
  tuning = {};
}

void Once(Engine& engine, const Workload& workload, const std::string& precision, bool training) {
  const auto found = std::find(std::begin(kPrecisions), std::end(kPrecisions), precision);
  const StackOperands operands(engine, workload, 1);
  OnQueue(engine, [&] {
    const auto chosen = static_cast<Precision>(found - std::begin(kPrecisions));
    training ? operands.Train(engine, 0, chosen) : operands.Run(engine, 0, chosen, false);
    cudaStreamSynchronize(static_cast<Device&>(engine.memory()).stream());
  });
}

}  // namespace
}  // namespace convlstm::cuda

int main(int argc, char** argv) {
  using namespace convlstm::cuda;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // keeps the measurements if the run is cut off
  try {
    convlstm::Engine& engine = EngineOf(0);
    const bool once = argc >= 4 && std::strcmp(argv[1], "--once") == 0;
    const char* name = once ? argv[2] : argc > 1 ? argv[1] : nullptr;
    for (const Workload& workload : kWorkloads) {
      if (name != nullptr && std::strcmp(name, workload.name) != 0) continue;
      once ? Once(engine, workload, argv[3], argc == 5) : Bench(engine, workload);
    }
    return 0;
  } catch (const convlstm::Error& error) {
    std::printf("%s\n", error.what());
    return 77;
  }
}
