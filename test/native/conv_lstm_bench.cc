// Times ConvLSTM kernels on the workloads of docs/benchmarks.md, without JavaScript.
//   conv_lstm_bench FAMILY ISA THREADS [WORKLOAD...]     FAMILY: direct, winograd, amx, operation
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "conv_lstm_workloads.h"
#include "cpu/conv_lstm/kernel.h"
#include "cpu/conv_lstm/sequence.h"
#include "operations.h"

namespace convlstm::cpu {
namespace {

const std::vector<Workload>& Workloads() {
  static const std::vector<Workload> workloads = {
      {"W1", Stack(1, 10, 1, {64}, 64, 3)},         {"W2", Stack(8, 10, 16, {128, 64, 64}, 16, 5)},
      {"W3", Stack(1, 8, 3, {64, 64, 128}, 64, 3)}, {"W4a", Stack(1, 1, 8, {64}, 480, 3)},
      {"W4b", Stack(1, 1, 8, {64}, 96, 3)},         {"W4c", Stack(1, 1, 192, {192}, 32, 3)},
      {"X1", Stack(1, 10, 64, {64}, 64, 3)},        {"1x1", Stack(1, 10, 64, {64}, 64, 1)},
      {"7x7", Stack(1, 4, 16, {32}, 64, 7)},        {"11x11", Stack(1, 2, 16, {64}, 64, 11)},
      {"step", Stack(1, 1, 8, {16}, 16, 3)},
  };
  return workloads;
}

std::vector<float> Uniform(int64_t count, float low, float high) {
  static std::mt19937 random(1);
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

// The input sequence; W4c's is normal, with one value in a hundred times 100.
std::vector<float> Input(const Workload& workload) {
  const ConvLstmShape& s = workload.layers.front();
  const int64_t count = s.batch * s.time * s.input_dim * s.pixels();
  if (workload.name != std::string("W4c")) return Uniform(count, 0, 1);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random) * (random() % 100 == 0 ? 100.0f : 1.0f);
  return values;
}

// A layer: the operation's inputs, and the weights packed for one kernel.
struct Layer {
  ConvLstmShape shape;
  ConvLstmInputs inputs;
  std::vector<float> weight, bias;
  std::unique_ptr<PackedWeights> packed;
  const ConvLstmKernel* kernel;
};

Layer MakeLayer(const ConvLstmShape& s) {
  Layer layer{s, {}, {}, {}, nullptr, nullptr};
  const int64_t fan_in = (s.input_dim + s.hidden_dim) * s.kernel_height * s.kernel_width;
  const float bound = 1 / std::sqrt(static_cast<float>(fan_in));
  layer.weight = Uniform(4 * s.hidden_dim * fan_in, -bound, bound);
  layer.bias = Uniform(4 * s.hidden_dim, -bound, bound);
  layer.inputs.weight = RowMajorStorage(layer.weight);
  layer.inputs.bias = RowMajorStorage(layer.bias);
  const int64_t state = s.batch * s.hidden_dim * s.pixels();
  // A workload of one step is within a sequence: it has an initial state.
  if (s.time == 1) {
    layer.inputs.h0 = RowMajorStorage(Uniform(state, -1, 1));
    layer.inputs.c0 = RowMajorStorage(Uniform(state, -1, 1));
  }
  return layer;
}

void RunOperation(const Workload& workload, ThreadPool& pool) {
  std::vector<Layer> layers;
  for (const ConvLstmShape& s : workload.layers) layers.push_back(MakeLayer(s));
  const StoragePtr input = RowMajorStorage(Input(workload));
  Measure(workload.name, Flops(workload), pool.threads(), [&] {
    StoragePtr x = input;
    for (Layer& layer : layers) {
      const ConvLstmShape& s = layer.shape;
      const int64_t state = s.batch * s.hidden_dim * s.pixels();
      const ConvLstmOutputs outputs = {std::make_shared<Storage>(state * s.time),
                                       std::make_shared<Storage>(state),
                                       std::make_shared<Storage>(state)};
      layer.inputs.x = x;
      Run(pool, ConvLstm{{s, layer.inputs, Precision::kHighest, outputs}});
      x = outputs.output;
    }
  });
}

// Runs the steps of one kernel on channels-last buffers, without the operation.
void RunKernels(const Workload& workload, const std::string& family, Isa isa, Precision precision,
                ThreadPool& pool) {
  std::vector<Layer> layers;
  for (const ConvLstmShape& s : workload.layers) {
    Layer layer = MakeLayer(s);
    const ConvLstmRequest request = {s, Peephole::kNone, precision, isa};
    layer.kernel = family == "direct"     ? FindDirectKernel(request)
                   : family == "winograd" ? FindWinogradKernel(request)
                                          : FindAmxKernel(request);
    if (layer.kernel == nullptr) {
      std::printf("%-6s not served\n", workload.name);
      return;
    }
    layer.packed =
        layer.kernel->Pack(s, {layer.weight.data(), layer.bias.data(), Peephole::kNone, {}}, pool);
    layers.push_back(std::move(layer));
  }
  std::vector<std::vector<float>> frames(layers.size() + 1), states(layers.size());
  frames[0] = Input(workload);
  for (size_t l = 0; l < layers.size(); ++l) {
    const ConvLstmShape& s = layers[l].shape;
    states[l] = Uniform(s.batch * s.hidden_dim * s.pixels(), -1, 1);
    frames[l + 1].resize(states[l].size() * s.time);
  }
  Measure(std::string(workload.name) + ' ' + layers[0].kernel->name(), Flops(workload),
          pool.threads(), [&] {
            for (size_t l = 0; l < layers.size(); ++l) {
              const ConvLstmShape& s = layers[l].shape;
              const int64_t frame = s.hidden_dim * s.pixels();
              std::vector<const float*> x(s.batch), h(s.batch);
              std::vector<float*> out(s.batch), c(s.batch);
              std::vector<float> state(states[l]);
              for (int64_t t = 0; t < s.time; ++t) {
                for (int64_t b = 0; b < s.batch; ++b) {
                  x[b] = frames[l].data() + s.frame(b, t) * s.input_dim * s.pixels();
                  h[b] = t == 0 ? states[l].data() + b * frame : out[b];
                  c[b] = state.data() + b * frame;
                }
                for (int64_t b = 0; b < s.batch; ++b) {
                  out[b] = frames[l + 1].data() + s.frame(b, t) * frame;
                }
                const bool zero = t == 0 && s.time > 1;
                layers[l].kernel->Step(s, *layers[l].packed,
                                       {x.data(), zero ? nullptr : h.data(), out.data(), c.data()},
                                       pool);
              }
            }
          });
}

int Main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: conv_lstm_bench FAMILY ISA THREADS [WORKLOAD...]\n");
    return 2;
  }
  const std::string family = argv[1];
  const Isa isa = IsaByName(argv[2]);
  ThreadPool pool(std::atoi(argv[3]));
  const char* precision_name = std::getenv("PRECISION");
  const std::string wanted = precision_name == nullptr ? "highest" : precision_name;
  const Precision precision = wanted == "medium" ? Precision::kMedium
                              : wanted == "high" ? Precision::kHigh
                                                 : Precision::kHighest;
  for (const Workload& workload : Workloads()) {
    if (!IsSelected(workload, argc, argv, 4)) continue;
    if (family == "operation") {
      RunOperation(workload, pool);
    } else {
      RunKernels(workload, family, isa, precision, pool);
    }
  }
  return 0;
}

}  // namespace
}  // namespace convlstm::cpu

int main(int argc, char** argv) { return convlstm::cpu::Main(argc, argv); }
