// convlstm_cuda_bench [NAME]: the workloads on a GPU, every tile and precision, as a graph and step
// by step; one line of JSON each. Times are of the device, by events: the median of many calls
// after a warm-up, inputs rotated. With --once NAME PRECISION one call, for a profiler.
#include <cuda_runtime.h>

#include <algorithm>
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
#include "reference.h"

namespace convlstm::cuda {
namespace {

struct Workload {
  const char* name;
  ConvLstmShape shape;
};

constexpr Workload kWorkloads[] = {
    {"W1", {1, 10, false, 1, 64, 64, 64, 3, 3}},
    {"X1", {1, 10, false, 64, 64, 64, 64, 3, 3}},
    {"W2, layer 1", {8, 10, false, 16, 128, 16, 16, 5, 5}},
    {"W2, layer 2", {8, 10, false, 128, 64, 16, 16, 5, 5}},
    {"W3, layer 3", {1, 8, false, 64, 128, 64, 64, 3, 3}},
    {"W4a", {1, 1, false, 8, 64, 480, 480, 3, 3}},
    {"W4b", {1, 1, false, 8, 64, 96, 96, 3, 3}},
    {"W4c", {1, 1, false, 192, 192, 32, 32, 3, 3}},
    {"step 64x64", {1, 1, false, 64, 64, 64, 64, 3, 3}},
    {"batch 64", {64, 10, false, 64, 64, 64, 64, 3, 3}},
    {"ConvLSTM-S layer", {16, 10, false, 128, 128, 16, 16, 5, 5}},
};

double Flops(const ConvLstmShape& s) {
  return 2.0 * static_cast<double>(s.batch * s.time * s.pixels()) *
         static_cast<double>(s.input_dim + s.hidden_dim) *
         static_cast<double>(s.kernel_height * s.kernel_width * 4 * s.hidden_dim);
}

// The operands of a layer on the device, several of each x.
struct Layer {
  ConvLstmShape shape;
  std::vector<ConvLstmInputs> inputs;

  Layer(Engine& engine, const ConvLstmShape& s, int copies) : shape(s) {
    for (int k = 0; k < copies; ++k) {
      const ConvLstmCase test =
          MakeCase("", s, {.states = true, .bounded_x = true}, static_cast<uint32_t>(k + 1));
      const auto upload = [&](const std::vector<float>& values) {
        auto storage =
            std::make_shared<Storage>(static_cast<int64_t>(values.size()), engine.memory());
        engine.queue().Enqueue(engine.Upload(values.data(), storage));
        engine.queue().Drain();
        return storage;
      };
      ConvLstmInputs in;
      in.x = upload(test.x);
      in.weight = k == 0 ? upload(test.weight) : inputs.front().weight;
      in.bias = k == 0 ? upload(test.bias) : inputs.front().bias;
      in.h0 = upload(test.h0);
      in.c0 = upload(test.c0);
      inputs.push_back(in);
    }
  }

  void Run(Engine& engine, int k, Precision precision) const {
    const int64_t state = shape.batch * shape.hidden_dim * shape.pixels();
    const auto storage = [&](int64_t elements) {
      return std::make_shared<Storage>(elements, engine.memory());
    };
    engine.ConvLstm(shape, inputs[k % inputs.size()], precision,
                    {storage(state * shape.time), storage(state), storage(state)});
  }
};

// Milliseconds on the device's stream; on the queue's thread.
double Measure(Engine& engine, const Layer& layer, Precision precision) {
  const auto stream = static_cast<Device&>(engine.memory()).stream();
  cudaEvent_t begin, end;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  std::vector<float> times;
  for (int k = 0; k < 60; ++k) {
    cudaEventRecord(begin, stream);
    layer.Run(engine, k, precision);
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

void Bench(Engine& engine, const Workload& workload) {
  const Layer layer(engine, workload.shape, 3);
  const double flops = Flops(workload.shape);
  for (int p = 0; p < 3; ++p) {
    for (int variant = 0; variant < 5; ++variant) {
      // The engine's own choice, then each tile, then its choice without a graph.
      tuning = {};
      if (variant >= 1 && variant <= 3) tuning.tile = static_cast<TileSize>(variant - 1);
      tuning.graph = variant != 4;
      if (variant == 4 && workload.shape.time == 1) continue;
      for (const ConvLstmInputs& in : layer.inputs) in.weight->derived().clear();
      double milliseconds = 0;
      engine.queue().Enqueue(
          [&] { milliseconds = Measure(engine, layer, static_cast<Precision>(p)); });
      engine.queue().Drain();
      constexpr const char* kVariants[] = {"chosen", "small", "medium", "large", "no graph"};
      std::printf(
          "{\"workload\": \"%s\", \"precision\": \"%s\", \"variant\": \"%s\", \"ms\": %.5f, "
          "\"tflops\": %.2f}\n",
          workload.name, kPrecisions[p], kVariants[variant], milliseconds,
          flops / milliseconds / 1e9);
      std::fflush(stdout);
    }
  }
  tuning = {};
}

void Once(Engine& engine, const Workload& workload, const std::string& precision) {
  const auto place = std::find(std::begin(kPrecisions), std::end(kPrecisions), precision);
  const Layer layer(engine, workload.shape, 1);
  engine.queue().Enqueue([&] {
    layer.Run(engine, 0, static_cast<Precision>(place - std::begin(kPrecisions)));
    cudaStreamSynchronize(static_cast<Device&>(engine.memory()).stream());
  });
  engine.queue().Drain();
}

}  // namespace
}  // namespace convlstm::cuda

int main(int argc, char** argv) {
  using namespace convlstm::cuda;
  try {
    convlstm::Engine& engine = EngineOf(0);
    const bool once = argc == 4 && std::strcmp(argv[1], "--once") == 0;
    const char* name = once ? argv[2] : argc > 1 ? argv[1] : nullptr;
    for (const Workload& workload : kWorkloads) {
      if (name != nullptr && std::strcmp(name, workload.name) != 0) continue;
      once ? Once(engine, workload, argv[3]) : Bench(engine, workload);
    }
    return 0;
  } catch (const convlstm::Error& error) {
    std::printf("%s\n", error.what());
    return 77;
  }
}
