#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/conv_lstm/held_frames.h"
#include "cuda/conv_lstm/packed_layer.h"
#include "cuda/conv_lstm/sequence_key.h"
#include "cuda/conv_lstm/steps/kernels.h"
#include "cuda/device/graph.h"
#include "cuda/device/tuning.h"
#include "cuda/tensor/operations.h"

namespace convlstm::cuda {
namespace {

// The layers of one graph.
constexpr int kMaxLayers = 16;
static_assert(kMaxLayers * sizeof(LayerPointers) <= sizeof(PointerWords));

int64_t StepsAtOnceOf(const Device& device, const SequenceLayer& layer) {
  constexpr int64_t kMaxGridZ = 65535;
  const ConvLstmShape& s = layer.shape;
  if (s.batch > kMaxGridZ) return 0;
  const int depth = static_cast<int>(s.kernel_height * s.kernel_width * s.input_dim);
  const int rows = GeometryOf(s, s.batch).rows();
  const int64_t chosen =
      StepsAtOnce(layer.math, rows, ColumnsOf(s), depth, s.time, device.multiprocessors());
  return std::min(tuning.steps_at_once.value_or(chosen), s.time);
}

// The kernels of a stack with their arguments.
class Sequence {
 public:
  Sequence(Device& device, const std::vector<SequenceLayer>& layers,
           const std::vector<LayerPointers>& pointers, int64_t steps_at_once)
      : layers_(layers), pointers_(pointers), steps_at_once_(steps_at_once) {
    for (const SequenceLayer& layer : layers) {
      steps_.push_back(ChooseStepKernel(device, layer.math, layer.shape));
    }
    if (steps_at_once == 0) return;
    const SequenceLayer& first = layers.front();
    const ConvLstmShape& s = first.shape;
    const int rows = GeometryOf(s, s.batch).rows() * static_cast<int>(steps_at_once);
    const TileSize tile =
        tuning.tile.value_or(ChooseTile(rows, ColumnsOf(s), device.multiprocessors()));
    input_ = FindInputKernel<LstmCell>(first.math, tile);
    device.AllowShared(KernelAddress(input_.kernel), input_.shared_bytes);
  }

  // Operands lie at `late`, or at the pointers where it is null.
  std::vector<GraphCall> Calls(const LayerPointers* late) const {
    std::vector<Operands<LayerPointers>> operands;
    for (size_t k = 0; k < layers_.size(); ++k) {
      operands.push_back({pointers_[k], late == nullptr ? nullptr : late + k});
    }
    const SequenceArguments arguments(layers_, operands, steps_at_once_);
    std::vector<GraphCall> calls;
    for (SequenceNode& node :
         ListNodes(static_cast<int>(layers_.size()), layers_.front().shape.time, steps_at_once_)) {
      const ConvLstmShape& s = layers_[node.layer].shape;
      const auto add = [&](const char* name, const auto& kernel, const auto& p, int64_t sequences) {
        dim3 grid = GridOf(kernel.row_blocks(p.geometry), s, kernel.columns);
        grid.z = static_cast<unsigned>(sequences);
        calls.push_back({CallOf(name, kernel.kernel, grid, kernel.threads, kernel.shared_bytes, p),
                         std::move(node.after)});
      };
      if (node.input) {
        add("ConvLstmInput", input_, arguments.InputOf(node.begin, node.end),
            arguments.sequences());
      } else {
        add("ConvLstmStep", steps_[node.layer], arguments.StepOf(node.layer, node.begin), 1);
      }
    }
    return calls;
  }

 private:
  const std::vector<SequenceLayer>& layers_;
  const std::vector<LayerPointers>& pointers_;
  const int64_t steps_at_once_;
  std::vector<StepKernel> steps_;
  InputKernel input_ = {};
};

// At most kMaxLayers of them; the last has an output.
class Call {
 public:
  Call(Device& device, const std::vector<ConvLstmLayer>& layers) : device_(device) {
    for (const ConvLstmLayer& layer : layers) Add(layer);
    steps_at_once_ = StepsAtOnceOf(device, layers_.front());
    if (steps_at_once_ > 0) {
      const SequenceArguments arguments(layers_, {}, steps_at_once_);
      pointers_.front().sums_of_x = Hold(arguments.sums_elements());
    }
  }

  void Run() {
    const Sequence sequence(device_, layers_, pointers_, steps_at_once_);
    // One step is one kernel a layer, and a graph's first node would be one more.
    if (layers_.front().shape.time == 1 || !tuning.graph) {
      for (const GraphCall& call : sequence.Calls(nullptr)) Launch(device_, call.call);
      return;
    }
    GraphCache::Key key = {static_cast<int64_t>(GraphKind::kForward), steps_at_once_};
    for (const SequenceLayer& layer : layers_) AppendTo(key, layer);
    device_.graphs().Launch(device_, "a graph of ConvLstmStep", key, pointers_,
                            [&](const LayerPointers* late) { return sequence.Calls(late); });
  }

 private:
  void Add(const ConvLstmLayer& layer) {
    const auto& [s, inputs, precision, outputs] = layer;
    const ChannelsLast state = {s.batch, s.hidden_dim, s.pixels()};
    const ChannelsLast sequence = {s.batch * s.time, s.hidden_dim, s.pixels()};
    packed_.push_back(PackOnce(device_, s, inputs, precision));
    LayerPointers at = {};
    SequenceLayer view = ViewOf(*packed_.back(), s, inputs);
    at.weights = packed_.back()->weights.as<uint4>();
    at.bias = packed_.back()->bias.as<float>();
    at.peephole = packed_.back()->peephole.as<float>();
    at.x = layers_.empty() ? Frames(inputs.x, {s.batch * s.time, s.input_dim, s.pixels()})
                           : pointers_.back().output;
    at.h0 = Frames(inputs.h0, state);
    at.c0 = Frames(inputs.c0, state);
    at.zoneout_h = Frames(inputs.zoneout_h, view.one_zoneout_h ? kOne : sequence);
    at.zoneout_c = Frames(inputs.zoneout_c, view.one_zoneout_c ? kOne : sequence);

    at.c = outputs.c->AllocateChannelsLast(state);
    view.has_output = outputs.output != nullptr;
    if (view.has_output) at.output = outputs.output->AllocateChannelsLast(sequence);
    if (s.time > 1) {
      at.h = outputs.h->AllocateChannelsLast(state);
      if (!view.has_output) at.output = Hold(kPlaces * outputs.h->elements());
    } else if (view.has_output) {
      outputs.h->ShareElements(*outputs.output);
    } else {
      at.output = outputs.h->AllocateChannelsLast(state);
    }
    if (outputs.saved != nullptr) {
      view.save_every = outputs.save_every;
      at.saved = outputs.saved->Allocate();
    }
    if (view.masked) {
      at.mask = Frames(inputs.recurrent_mask, state);
      if (s.time > 1) at.masked_h = Hold(kPlaces * outputs.h->elements());
      if (at.h0 != nullptr) at.masked_h0 = Masked(s, at.h0, at.mask);
    }
    layers_.push_back(view);
    pointers_.push_back(at);
  }

  const float* Frames(const StoragePtr& storage, const ChannelsLast& layout) {
    return held_frames_.emplace_back(device_, storage, layout).data();
  }
  float* Hold(int64_t elements) {
    return held_.emplace_back(device_.AllocateArray<float>(elements)).as<float>();
  }
  const float* Masked(const ConvLstmShape& s, const float* h0, const float* mask) {
    const int64_t frame = s.hidden_dim * s.pixels(), state = s.batch * frame;
    float* const masked = Hold(state);
    Launch(device_, MaskCall(device_, {{h0}, 0, frame, frame, state, {mask}, {masked}, state}));
    return masked;
  }

  static constexpr ChannelsLast kOne = {1, 1, 1};
  Device& device_;
  // Until what reads them is on the stream.
  std::vector<std::shared_ptr<const PackedLayer>> packed_;
  std::vector<Buffer> held_;
  std::vector<HeldFrames> held_frames_;
  std::vector<SequenceLayer> layers_;
  std::vector<LayerPointers> pointers_;
  int64_t steps_at_once_;
};

}  // namespace

void ConvLstm(Device& device, const ConvLstmShape& shape, const ConvLstmInputs& inputs,
              Precision precision, const ConvLstmOutputs& outputs) {
  Call(device, {{shape, inputs, precision, outputs}}).Run();
}

void ConvLstmStack(Device& device, const std::vector<ConvLstmLayer>& layers) {
  StoragePtr x = layers.front().inputs.x;
  for (auto begin = layers.begin(); begin != layers.end();) {
    const auto end = begin + std::min<std::ptrdiff_t>(kMaxLayers, layers.end() - begin);
    std::vector<ConvLstmLayer> group(begin, end);
    group.front().inputs.x = x;
    StoragePtr& output = group.back().outputs.output;
    if (end != layers.end()) {
      const ConvLstmShape& s = group.back().shape;
      output = std::make_shared<Storage>(s.batch * s.time * s.hidden_dim * s.pixels(), device);
    }
    Call(device, group).Run();
    x = output;
    begin = end;
  }
}

}  // namespace convlstm::cuda
