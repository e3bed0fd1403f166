// Times the forward and the backward pass of ConvLSTM, and the parts of the backward pass, without
// JavaScript.
//   conv_lstm_backward_bench ISA THREADS [WORKLOAD...]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "conv_lstm_workloads.h"
#include "cpu/conv_lstm/backward.h"
#include "cpu/conv_lstm/delta.h"
#include "cpu/conv_lstm/sequence.h"
#include "cpu/convolution/convolution.h"
#include "cpu/engine.h"
#include "operations.h"

namespace convlstm::cpu {
namespace {

struct Layer {
  ConvLstmShape shape;
  ConvLstmInputs inputs;
  ConvLstmOutputs outputs;
};

std::mt19937 random(1);

StoragePtr Empty(int64_t elements) { return std::make_shared<Storage>(elements); }

// All layers forward and backward, as in a training step; the first has no gradient of x.
void RunWorkload(const Workload& workload, ThreadPool& pool) {
  std::vector<Layer> layers;
  for (const ConvLstmShape& s : workload.layers) {
    const int64_t fan_in = (s.input_dim + s.hidden_dim) * s.kernel_height * s.kernel_width;
    Layer layer{s, {}, {}};
    layer.inputs.weight =
        RowMajorStorage(RandomValues(random, 4 * s.hidden_dim * fan_in, 0.5f / std::sqrt(fan_in)));
    layer.inputs.bias = RowMajorStorage(RandomValues(random, 4 * s.hidden_dim, 0.1f));
    layers.push_back(layer);
  }
  const ConvLstmShape& first = workload.layers.front();
  const ConvLstmShape& last = workload.layers.back();
  const StoragePtr x = RowMajorStorage(
      RandomValues(random, first.batch * first.time * first.input_dim * first.pixels(), 0.5f));
  const StoragePtr output_grad = ChannelsLastStorage(
      RandomValues(random, last.batch * last.time * last.hidden_dim * last.pixels(), 1e-3f),
      {last.batch * last.time, last.hidden_dim, last.pixels()});
  const auto forward = [&](int64_t save_every, Precision precision = Precision::kHighest) {
    StoragePtr input = x;
    for (Layer& layer : layers) {
      const ConvLstmShape& s = layer.shape;
      const int64_t state = s.batch * s.hidden_dim * s.pixels();
      layer.inputs.weight->derived().clear();  // as an optimizer does
      layer.inputs.x = input;
      layer.outputs = {Empty(state * s.time), Empty(state), Empty(state)};
      if (save_every > 0) {
        layer.outputs.saved_format = CpuEngine().FormatOfSaved(precision);
        layer.outputs.saved = Empty(SavedElements(s, save_every, layer.outputs.saved_format));
        layer.outputs.save_every = save_every;
      }
      Run(pool, ConvLstm{{s, layer.inputs, precision, layer.outputs}});
      input = layer.outputs.output;
    }
  };
  const auto backward = [&](Precision precision = Precision::kHighest) {
    StoragePtr grad = output_grad;
    for (size_t l = layers.size(); l-- > 0;) {
      const Layer& layer = layers[l];
      const ConvLstmGradients gradients = {.x = l > 0 ? Empty(layer.inputs.x->elements()) : nullptr,
                                           .h0 = nullptr,
                                           .c0 = nullptr,
                                           .weight = Empty(layer.inputs.weight->elements()),
                                           .bias = Empty(layer.inputs.bias->elements()),
                                           .wci = nullptr,
                                           .wcf = nullptr,
                                           .wco = nullptr};
      const ConvLstmOutputs& outputs = layer.outputs;
      Run(pool, ConvLstmBackward{layer.shape,
                                 {layer.inputs, outputs.output, outputs.saved, outputs.save_every,
                                  grad, nullptr, nullptr, outputs.saved_format},
                                 precision,
                                 {},
                                 gradients});
      grad = gradients.x;
    }
  };
  const std::string name = workload.name;
  const double flops = Flops(workload);
  Measure(name + " forward", flops, pool.threads(), [&] { forward(0); });
  Measure(name + " forward, saving all", flops, pool.threads(), [&] { forward(1); });
  Measure(name + " forward and backward", 3 * flops, pool.threads(), [&] {
    forward(1);
    backward();
  });
  Measure(name + " the same, medium", 3 * flops, pool.threads(), [&] {
    forward(1, Precision::kMedium);
    backward(Precision::kMedium);
  });
  Measure(name + " highest, saving every 4th c", 3 * flops, pool.threads(), [&] {
    forward(4);
    backward();
  });
}

// The parts of one layer's backward pass, for one step.
void RunParts(const std::string& name, ConvLstmShape s, Isa isa, ThreadPool& pool) {
  s.time = 1;
  constexpr int64_t kPast = 16;  // floats that kernels may read past the end, as in a Buffer
  const int64_t taps = s.kernel_height * s.kernel_width, frame = s.hidden_dim * s.pixels();
  const std::vector<float> weight =
      RandomValues(random, 4 * s.hidden_dim * (s.input_dim + s.hidden_dim) * taps, 0.05f);
  std::vector<float> delta = RandomValues(random, 4 * s.batch * frame + kPast, 0.1f);
  const std::vector<float> h = RandomValues(random, s.batch * frame + kPast),
                           x = RandomValues(random, s.batch * s.input_dim * s.pixels() + kPast);
  std::vector<float> h_grad(s.batch * frame), c_grad(s.batch * frame);
  std::vector<float> x_grad(x.size());
  std::vector<float*> delta_frames(s.batch), h_grads(s.batch), c_grads(s.batch), x_grads(s.batch);
  std::vector<const float*> h_frames(s.batch), x_frames(s.batch), deltas(s.batch), grads(s.batch);
  for (int64_t b = 0; b < s.batch; ++b) {
    delta_frames[b] = delta.data() + 4 * b * frame;
    deltas[b] = delta_frames[b];
    h_grads[b] = h_grad.data() + b * frame;
    grads[b] = h_grads[b];
    c_grads[b] = c_grad.data() + b * frame;
    h_frames[b] = h.data() + b * frame;
    x_frames[b] = x.data() + b * s.input_dim * s.pixels();
    x_grads[b] = x_grad.data() + b * s.input_dim * s.pixels();
  }
  const int threads = pool.threads();
  ConvLstmDeltas pass(s, {}, true, false, isa, pool);
  std::vector<int16_t> fixed(4 * s.batch * frame);
  for (const SavedFormat format : {SavedFormat::kFloat32, SavedFormat::k16Bits}) {
    const bool in_place = format == SavedFormat::kFloat32;
    const GatePointer first(in_place ? static_cast<void*>(delta.data()) : fixed.data(), format);
    std::vector<GatePointer> gates(s.batch);
    for (int64_t b = 0; b < s.batch; ++b) gates[b] = first + 4 * b * frame;
    Measure(name + (in_place ? " deltas" : " deltas of gates of 16 bits"), 0, threads, [&] {
      pass.Run({gates.data(), delta_frames.data(), h_frames.data(), grads.data(), h_frames.data(),
                c_grads.data()});
    });
  }
  for (const bool of_h : {true, false}) {
    const int64_t channels = of_h ? s.hidden_dim : s.input_dim;
    const ConvolutionShape shape = ConvolutionOf(s, channels, LstmCell::kGates);
    const int64_t out_stride = (s.input_dim + s.hidden_dim) * taps;
    const char* const source = of_h ? " h" : " x";
    std::unique_ptr<DataGradient> data;
    Measure(name + source + " packing", 0, threads, [&] {
      data = std::make_unique<DataGradient>(shape, weight.data(), out_stride, isa, pool);
    });
    Measure(name + source + " data gradient", ConvolutionFlops(s, channels), threads, [&] {
      data->Run(s.batch, deltas.data(), of_h ? h_grads.data() : x_grads.data(), pool);
    });
    const std::unique_ptr<WeightGradient> sums = MakeWeightGradient(shape, isa, pool);
    Measure(name + source + " weight gradient", ConvolutionFlops(s, channels), threads, [&] {
      sums->Add(s.batch, of_h ? h_frames.data() : x_frames.data(), deltas.data(), pool);
    });
    std::vector<float> weight_grad(weight.size());
    Measure(name + source + " finishing", 0, threads,
            [&] { sums->Finish(weight_grad.data(), out_stride, pool); });
  }
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: conv_lstm_backward_bench ISA THREADS [WORKLOAD...]\n");
    return 2;
  }
  const Isa isa = IsaByName(argv[1]);
  ThreadPool pool(std::atoi(argv[2]));
  const Workload workloads[] = {{"W1", Stack(1, 10, 1, {64}, 64, 3)},
                                {"W2", Stack(8, 10, 16, {128, 64, 64}, 16, 5)},
                                {"X1", Stack(1, 10, 64, {64}, 64, 3)},
                                {"1x1", Stack(1, 10, 64, {64}, 64, 1)}};
  for (const Workload& workload : workloads) {
    if (!IsSelected(workload, argc, argv, 3)) continue;
    if (isa == CurrentIsa()) RunWorkload(workload, pool);
    for (const ConvLstmShape& layer : workload.layers) {
      const std::string channels =
          std::to_string(layer.input_dim) + "->" + std::to_string(layer.hidden_dim);
      RunParts(std::string(workload.name) + " " + channels, layer, isa, pool);
    }
  }
  return 0;
}

}  // namespace
}  // namespace convlstm::cpu

int main(int argc, char** argv) { return convlstm::cpu::Main(argc, argv); }
