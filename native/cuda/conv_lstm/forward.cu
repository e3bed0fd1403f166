#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/conv_lstm/channels_last_operand.h"
#include "cuda/conv_lstm/packed_layer.h"
#include "cuda/conv_lstm/sequence_key.h"
#include "cuda/conv_lstm/steps/kernels.h"
#include "cuda/device/graph.h"
#include "cuda/device/tuning.h"
#include "cuda/tensor/operations.h"

namespace convlstm::cuda {
namespace {

// Layers per graph; longer stacks take several.
constexpr int kMaxLayers = 16;
static_assert(kMaxLayers * sizeof(LayerPointers) <= sizeof(PointerWords));

int64_t StepsPerProjectionOf(const Device& device, const SequenceLayer& layer) {
  constexpr int64_t kMaxGridZ = 65535;
  const ConvLstmShape& s = layer.shape;
  if (s.batch > kMaxGridZ) return 0;
  const int depth = static_cast<int>(s.kernel_height * s.kernel_width * s.input_dim);
  const int rows = GeometryOf(s, s.batch).rows();
  const int64_t chosen =
      StepsPerProjection(layer.math, rows, ColumnsOf(s), depth, s.time, device.multiprocessors());
  return std::min(tuning.steps_per_projection.value_or(chosen), s.time);
}

// The kernel calls of a stack.
class Sequence {
 public:
  Sequence(Device& device, const std::vector<SequenceLayer>& layers,
           const std::vector<LayerPointers>& pointers, int64_t steps_per_projection)
      : layers_(layers), pointers_(pointers), steps_per_projection_(steps_per_projection) {
    for (const SequenceLayer& layer : layers) {
      steps_.push_back(ChooseStepKernel(device, layer.math, layer.shape));
    }
    if (steps_per_projection == 0) return;
    const SequenceLayer& first = layers.front();
    const ConvLstmShape& s = first.shape;
    const int rows = GeometryOf(s, s.batch).rows() * static_cast<int>(steps_per_projection);
    const TileSize tile =
        tuning.tile.value_or(ChooseTile(rows, ColumnsOf(s), device.multiprocessors()));
    input_ = FindProjectionKernel<LstmCell>(first.math, tile);
    device.AllowShared(KernelAddress(input_.kernel), input_.shared_bytes);
  }

  // Kernels read operands from `table` in device memory, or take `pointers` if it is null.
  std::vector<GraphCall> Calls(const LayerPointers* table) const {
    std::vector<OperandTable<LayerPointers>> operands;
    for (size_t k = 0; k < layers_.size(); ++k) {
      operands.push_back({pointers_[k], table == nullptr ? nullptr : table + k});
    }
    const SequenceArguments arguments(layers_, operands, steps_per_projection_);
    std::vector<GraphCall> calls;
    for (SequenceNode& node : ListNodes(static_cast<int>(layers_.size()),
                                        layers_.front().shape.time, steps_per_projection_)) {
      const ConvLstmShape& s = layers_[node.layer].shape;
      const auto add = [&](const char* name, const auto& kernel, const auto& p, int64_t sequences) {
        dim3 grid = GridOf(kernel.row_blocks(p.geometry), s, kernel.columns);
        grid.z = static_cast<unsigned>(sequences);
        calls.push_back({CallOf(name, kernel.kernel, grid, kernel.threads, kernel.shared_bytes, p),
                         std::move(node.after)});
      };
      if (node.projection) {
        add("InputProjection", input_, arguments.ProjectionOf(node.begin, node.end),
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
  const int64_t steps_per_projection_;
  std::vector<StepKernel> steps_;
  ProjectionKernel input_ = {};
};

// A call for at most kMaxLayers layers, of which the last has an output.
class Call {
 public:
  Call(Device& device, const std::vector<ConvLstmLayer>& layers) : device_(device) {
    for (const ConvLstmLayer& layer : layers) Add(layer);
    steps_per_projection_ = StepsPerProjectionOf(device, layers_.front());
    if (steps_per_projection_ > 0) {
      const SequenceArguments arguments(layers_, {}, steps_per_projection_);
      pointers_.front().projection = AllocateTemporary(arguments.projection_elements());
    }
  }

  void Run() {
    const Sequence sequence(device_, layers_, pointers_, steps_per_projection_);
    // A single step is one kernel per layer; a graph would add the node that writes the table.
    if (layers_.front().shape.time == 1 || !tuning.graph) {
      for (const GraphCall& call : sequence.Calls(nullptr)) Launch(device_, call.call);
      return;
    }
    GraphCache::Key key = {static_cast<int64_t>(GraphKind::kForward), steps_per_projection_};
    for (const SequenceLayer& layer : layers_) AppendTo(key, layer);
    device_.graphs().Launch(device_, "a graph of ConvLstmStep", key, pointers_,
                            [&](const LayerPointers* table) { return sequence.Calls(table); });
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
    at.x = layers_.empty() ? ToOperand(inputs.x, {s.batch * s.time, s.input_dim, s.pixels()})
                           : pointers_.back().output;
    at.h0 = ToOperand(inputs.h0, state);
    at.c0 = ToOperand(inputs.c0, state);
    at.zoneout_h = ToOperand(inputs.zoneout_h, view.one_zoneout_h ? kOne : sequence);
    at.zoneout_c = ToOperand(inputs.zoneout_c, view.one_zoneout_c ? kOne : sequence);

    at.c = outputs.c->AllocateChannelsLast(state);
    view.has_output = outputs.output != nullptr;
    if (view.has_output) at.output = outputs.output->AllocateChannelsLast(sequence);
    if (s.time > 1) {
      at.h = outputs.h->AllocateChannelsLast(state);
      if (!view.has_output) at.output = AllocateTemporary(kBuffers * outputs.h->elements());
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
      at.mask = ToOperand(inputs.recurrent_mask, state);
      if (s.time > 1) at.masked_h = AllocateTemporary(kBuffers * outputs.h->elements());
      if (at.h0 != nullptr) at.masked_h0 = Masked(s, at.h0, at.mask);
    }
    layers_.push_back(view);
    pointers_.push_back(at);
  }

  const float* ToOperand(const StoragePtr& storage, const ChannelsLast& layout) {
    return frame_operands_.emplace_back(device_, storage, layout).data();
  }
  float* AllocateTemporary(int64_t elements) {
    return temporaries_.emplace_back(device_.AllocateArray<float>(elements)).as<float>();
  }
  const float* Masked(const ConvLstmShape& s, const float* h0, const float* mask) {
    const int64_t frame = s.hidden_dim * s.pixels(), state = s.batch * frame;
    float* const masked = AllocateTemporary(state);
    Launch(device_, MaskCall(device_, {{h0}, 0, frame, frame, state, {mask}, {masked}, state}));
    return masked;
  }

  static constexpr ChannelsLast kOne = {1, 1, 1};
  Device& device_;
  // Alive until the kernels that read them are on the stream.
  std::vector<std::shared_ptr<const PackedLayer>> packed_;
  std::vector<Buffer> temporaries_;
  std::vector<ChannelsLastOperand> frame_operands_;
  std::vector<SequenceLayer> layers_;
  std::vector<LayerPointers> pointers_;
  int64_t steps_per_projection_;
};

}  // namespace

void Run(Device& device, const ConvLstm& op) { Call(device, {op}).Run(); }

void Run(Device& device, const ConvLstmStack& op) {
  const std::vector<ConvLstmLayer>& layers = op.layers;
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
