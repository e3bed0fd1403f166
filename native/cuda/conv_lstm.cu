#include <algorithm>
#include <array>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cuda/conv_lstm_steps.h"
#include "cuda/launch.cuh"
#include "cuda/layout.h"
#include "cuda/operations.h"
#include "cuda/packed_weights.h"
#include "cuda/sequence_graph.h"
#include "cuda/step_kernels.h"
#include "cuda/strides.h"
#include "cuda/tuning.h"

namespace convlstm::cuda {
namespace {

Math MathOf(const Device& device, Precision precision) {
  if (!device.has_tensor_cores()) return Math::kFma;
  switch (precision) {
    case Precision::kHighest:
      return Math::kTf32x3;
    case Precision::kHigh:  // one TF32 product is off by up to 4e-4
      return Math::kBf16x3;
    case Precision::kMedium:
      return Math::kBf16;
  }
  return Math::kTf32x3;
}

// The memory that a storage's elements were in when something was derived from them.
struct Identity {
  bool present = false;
  std::weak_ptr<const Buffer> memory;

  static Identity Of(const StoragePtr& storage) {
    if (storage == nullptr) return {};
    return {true, storage->buffer()};
  }
  bool operator==(const Identity& other) const {
    return present == other.present &&
           (!present || (memory.lock() != nullptr && memory.lock() == other.memory.lock()));
  }
};

// What a sequence's graph depends on beside the layer.
struct SequenceKey {
  int64_t batch, time, height, width;
  bool time_major, h0, c0;

  bool operator==(const SequenceKey&) const = default;
};

// The layer as the kernel wants it; kept with the storage of its weights.
struct Layer {
  ConvLstmShape shape;
  Peephole peephole_kind;
  std::array<Identity, 4> companions;  // bias, wci, wcf, wco
  Buffer weights, bias, peephole;
  int padded_hidden;
  std::vector<std::pair<SequenceKey, std::unique_ptr<SequenceGraph>>> graphs;
};

bool Serves(const Layer& layer, const ConvLstmShape& shape, Peephole peephole,
            const std::array<Identity, 4>& companions) {
  const ConvLstmShape& s = layer.shape;
  const bool same_image = s.height == shape.height && s.width == shape.width;
  return s.input_dim == shape.input_dim && s.hidden_dim == shape.hidden_dim &&
         s.kernel_height == shape.kernel_height && s.kernel_width == shape.kernel_width &&
         layer.peephole_kind == peephole && (peephole != Peephole::kSpatial || same_image) &&
         layer.companions == companions;
}

ConvGeometry GeometryOf(const ConvLstmShape& s) {
  const auto height = static_cast<int>(s.height), width = static_cast<int>(s.width);
  return {static_cast<int>(s.batch),
          height,
          width,
          height,
          width,
          static_cast<int>(s.kernel_height),
          static_cast<int>(s.kernel_width),
          1,
          1,
          static_cast<int>(s.pad_top()),
          static_cast<int>(s.pad_left()),
          1,
          1};
}

void PackPeepholes(Device& device, const ConvLstmShape& s, const ConvLstmInputs& inputs,
                   Layer& layer) {
  const bool spatial = inputs.peephole == Peephole::kSpatial;
  const int64_t elements = s.hidden_dim * (spatial ? s.pixels() : 1);
  layer.peephole = device.AllocateArray<float>(3 * elements);
  float* out = layer.peephole.as<float>();
  for (const StoragePtr& w : {inputs.wci, inputs.wcf, inputs.wco}) {
    LaunchTranspose(device, 1, spatial ? s.hidden_dim : 1, elements / (spatial ? s.hidden_dim : 1),
                    RowMajor(device, *w), out);
    out += elements;
  }
}

std::shared_ptr<Layer> PackOnce(Device& device, Math math, const ConvLstmShape& s,
                                const ConvLstmInputs& inputs) {
  for (const StoragePtr& operand :
       {inputs.weight, inputs.bias, inputs.wci, inputs.wcf, inputs.wco}) {
    if (operand != nullptr) RowMajor(device, *operand);
  }
  const std::array<Identity, 4> companions = {Identity::Of(inputs.bias), Identity::Of(inputs.wci),
                                              Identity::Of(inputs.wcf), Identity::Of(inputs.wco)};
  const std::string key = "cuda conv_lstm " + std::to_string(static_cast<int>(math));
  std::shared_ptr<const void>& kept = inputs.weight->derived()[key];
  if (kept != nullptr) {
    auto layer = std::const_pointer_cast<Layer>(std::static_pointer_cast<const Layer>(kept));
    if (Serves(*layer, s, inputs.peephole, companions)) return layer;
    kept.reset();
  }

  const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
  const ConvGeometry g = GeometryOf(s);
  const PackArguments arguments = {inputs.weight->data(),
                                   nullptr,
                                   0,
                                   hidden,
                                   true,
                                   in,
                                   hidden,
                                   g.kernel_height * g.kernel_width,
                                   g.chunks(in),
                                   g.chunks(hidden)};
  auto layer = std::make_shared<Layer>();
  layer->shape = s;
  layer->peephole_kind = inputs.peephole;
  layer->companions = companions;
  layer->weights = LaunchPack(device, math, arguments);
  layer->padded_hidden = PackedColumns(arguments) / 4;
  layer->bias = device.AllocateArray<float>(4 * layer->padded_hidden);
  device.Check(cudaMemsetAsync(layer->bias.as<float>(), 0, layer->bias.bytes(), device.stream()),
               "clearing a bias");
  if (inputs.bias != nullptr) {
    Strides from, to;
    from.Add(4 * s.hidden_dim, 1);
    to.Add(4, layer->padded_hidden);
    to.Add(s.hidden_dim, 1);
    Move(device, inputs.bias->data(), from, layer->bias.as<float>(), to);
  }
  if (inputs.peephole != Peephole::kNone) PackPeepholes(device, s, inputs, *layer);
  kept = layer;
  return layer;
}

void Refuse(const Device& device, const ConvLstmShape& s) {
  constexpr int64_t kMax = std::numeric_limits<int>::max();
  const int64_t columns = 4 * (s.hidden_dim + 2 * kColumns);
  const int64_t depth = s.kernel_height * s.kernel_width * (s.input_dim + s.hidden_dim);
  if (s.batch * s.time * s.pixels() > kMax || columns > kMax || depth > kMax - 2 * kDepth) {
    throw Error(ErrorCode::kShape, device.name() + ": convLstm of more than 2^31 pixels");
  }
}

int ColumnsOf(const ConvLstmShape& s) {
  return CeilDiv(static_cast<int>(s.hidden_dim), kWarpChannels) * kColumns;
}

dim3 GridOf(const StepKernel& kernel, const ConvLstmShape& s) {
  return dim3(static_cast<unsigned>(CeilDiv(GeometryOf(s).rows(), kernel.rows)),
              static_cast<unsigned>(CeilDiv(ColumnsOf(s), kernel.columns)));
}

StepArguments ArgumentsOf(const ConvLstmShape& s, const Layer& layer, const SequenceKey& key,
                          int64_t t) {
  const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
  const auto pixels = static_cast<int>(s.pixels());
  const ConvGeometry g = GeometryOf(s);
  // Pixels from one image of a step to the next in x and output.
  const int image_stride = static_cast<int>(s.frame(s.batch > 1 ? 1 : 0, 0)) * pixels;
  const bool first = t == 0, spatial = layer.peephole_kind == Peephole::kSpatial;
  StepArguments p = {};
  p.geometry = g;
  p.x = {nullptr, in, image_stride, g.chunks(in)};
  p.h = {nullptr, hidden, first ? pixels : image_stride, first && !key.h0 ? 0 : g.chunks(hidden)};
  p.weights = layer.weights.as<uint4>();
  p.bias = layer.bias.as<float>();
  p.peephole = layer.peephole ? layer.peephole.as<float>() : nullptr;
  p.peephole_elements = s.hidden_dim * (spatial ? s.pixels() : 1);
  p.peephole_pixel_stride = spatial ? hidden : 0;
  p.hidden = hidden;
  p.padded_hidden = layer.padded_hidden;
  p.first = first;
  p.x_offset = s.frame(0, t) * pixels * in;
  p.h_offset = first ? 0 : s.frame(0, t - 1) * pixels * hidden;
  p.out_offset = s.frame(0, t) * pixels * hidden;
  p.out_image_stride = image_stride;
  p.packed_chunks = g.chunks(in) + g.chunks(hidden);
  return p;
}

StepKernel ChooseStepKernel(Device& device, Math math, const ConvLstmShape& s) {
  const StepKernel kernel =
      FindStepKernel(math, tuning.tile.value_or(ChooseTile(GeometryOf(s).rows(), ColumnsOf(s),
                                                           device.multiprocessors())));
  device.AllowShared(reinterpret_cast<const void*>(kernel.kernel), kernel.shared_bytes);
  return kernel;
}

}  // namespace

StepPlan PlanStep(Device& device, const ConvLstmShape& s, const ConvLstmInputs& inputs,
                  Precision precision) {
  Refuse(device, s);
  const Math math = MathOf(device, precision);
  const std::shared_ptr<Layer> layer = PackOnce(device, math, s, inputs);
  const StepKernel kernel = ChooseStepKernel(device, math, s);
  const SequenceKey key = {s.batch, s.time, s.height, s.width, s.time_major, true, true};
  return {layer, kernel, GridOf(kernel, s), ArgumentsOf(s, *layer, key, 0)};
}

void ConvLstm(Device& device, const ConvLstmShape& s, const ConvLstmInputs& inputs,
              Precision precision, const ConvLstmOutputs& outputs) {
  if (outputs.saved != nullptr || inputs.recurrent_mask != nullptr || inputs.zoneout_h != nullptr ||
      inputs.zoneout_c != nullptr) {
    ConvLstmByStep(device, s, inputs, precision, outputs);
    return;
  }
  Refuse(device, s);
  const Math math = MathOf(device, precision);
  const std::shared_ptr<Layer> layer = PackOnce(device, math, s, inputs);
  const ChannelsLast state = {s.batch, s.hidden_dim, s.pixels()};
  const int64_t frame_elements = s.hidden_dim * s.pixels();

  Buffer x_frames, h0_frames, c0_frames;
  const auto frames = [&](const StoragePtr& storage, const ChannelsLast& layout, Buffer& buffer) {
    return storage == nullptr ? nullptr : ToFrames(device, *storage, layout, buffer);
  };
  SequencePointers pointers = {};
  pointers.h0 = frames(inputs.h0, state, h0_frames);
  pointers.c0 = frames(inputs.c0, state, c0_frames);
  pointers.x = frames(inputs.x, {s.batch * s.time, s.input_dim, s.pixels()}, x_frames);
  pointers.output =
      outputs.output->AllocateChannelsLast({s.batch * s.time, s.hidden_dim, s.pixels()});
  pointers.c = outputs.c->AllocateChannelsLast(state);

  const SequenceKey key = {s.batch,
                           s.time,
                           s.height,
                           s.width,
                           s.time_major,
                           pointers.h0 != nullptr,
                           pointers.c0 != nullptr};
  const StepKernel kernel = ChooseStepKernel(device, math, s);
  const dim3 grid = GridOf(kernel, s);
  const auto launch_steps = [&](const SequencePointers* late_pointers) {
    for (int64_t t = 0; t < s.time; ++t) {
      StepArguments p = ArgumentsOf(s, *layer, key, t);
      p.pointers = pointers;
      p.late_pointers = late_pointers;
      Launch(device, "ConvLstmStep", kernel.kernel, grid,
             dim3(static_cast<unsigned>(kernel.threads)), kernel.shared_bytes, p);
    }
  };
  if (s.time == 1 || !tuning.graph) {
    launch_steps(nullptr);
  } else {
    auto& graphs = layer->graphs;
    auto found = std::find_if(graphs.begin(), graphs.end(),
                              [&](const auto& entry) { return entry.first == key; });
    if (found == graphs.end()) {
      // A process that meets endlessly many shapes keeps the last few.
      constexpr size_t kMaxGraphs = 8;
      if (graphs.size() == kMaxGraphs) graphs.erase(graphs.begin());
      graphs.emplace_back(key, std::make_unique<SequenceGraph>(device, launch_steps));
      found = std::prev(graphs.end());
    }
    found->second->Launch(pointers);
  }

  if (s.time == 1) {
    outputs.h->ShareElements(*outputs.output);
    return;
  }
  Strides from, to;
  from.Add(s.batch, s.frame(s.batch > 1 ? 1 : 0, 0) * frame_elements);
  from.Add(frame_elements, 1);
  from.first = s.frame(0, s.time - 1) * frame_elements;
  to.Add(s.batch * frame_elements, 1);
  Move(device, pointers.output, from, outputs.h->AllocateChannelsLast(state), to);
}

}  // namespace convlstm::cuda
