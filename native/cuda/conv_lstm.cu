#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/conv_lstm_steps.h"
#include "cuda/operations.h"
#include "cuda/packed_layer.h"
#include "cuda/sequence_graph.h"
#include "cuda/step_kernels.h"
#include "cuda/tuning.h"

namespace convlstm::cuda {
namespace {

using PackedLayers = std::vector<std::shared_ptr<const PackedLayer>>;

// The graphs of the stacks that begin with a layer; kept with the storage of its weights.
class GraphCache {
 public:
  struct Key {
    int64_t batch, time, height, width, steps_at_once;
    bool time_major;
    std::vector<bool> has_h0;

    bool operator==(const Key&) const = default;
  };

  // `make()` is called where there is none yet.
  template <typename Make>
  SequenceGraph& Get(const Key& key, const PackedLayers& layers, const Make& make) {
    const auto same_layer = [](const std::weak_ptr<const PackedLayer>& a,
                               const std::shared_ptr<const PackedLayer>& b) {
      return a.lock() == b;
    };
    auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.key == key && std::equal(entry.layers.begin(), entry.layers.end(),
                                            layers.begin(), layers.end(), same_layer);
    });
    if (found == entries_.end()) {
      // A process that meets endlessly many shapes keeps the last few.
      constexpr size_t kMaxGraphs = 8;
      if (entries_.size() == kMaxGraphs) entries_.erase(entries_.begin());
      entries_.push_back({key, {layers.begin(), layers.end()}, make()});
      found = std::prev(entries_.end());
    }
    return *found->graph;
  }

 private:
  struct Entry {
    Key key;
    std::vector<std::weak_ptr<const PackedLayer>> layers;
    std::unique_ptr<SequenceGraph> graph;
  };
  std::vector<Entry> entries_;
};

GraphCache& GraphsOf(Storage& weight) {
  std::shared_ptr<const void>& kept = weight.derived()["cuda conv_lstm graphs"];
  if (kept == nullptr) kept = std::make_shared<GraphCache>();
  return *std::const_pointer_cast<GraphCache>(std::static_pointer_cast<const GraphCache>(kept));
}

int64_t StepsAtOnceOf(const Device& device, const PackedLayer& layer, const ConvLstmShape& s) {
  constexpr int64_t kMaxGridZ = 65535;
  if (s.batch > kMaxGridZ) return 0;
  const int depth = static_cast<int>(s.kernel_height * s.kernel_width * s.input_dim);
  const int rows = GeometryOf(s, s.batch).rows();
  const int64_t chosen =
      StepsAtOnce(layer.math, rows, ColumnsOf(s), depth, s.time, device.multiprocessors());
  return std::min(tuning.steps_at_once.value_or(chosen), s.time);
}

// The kernels of a stack.
class StackKernels {
 public:
  StackKernels(Device& device, const std::vector<ConvLstmLayer>& layers, const PackedLayers& packed,
               const SequenceArguments& arguments, int64_t steps_at_once)
      : layers_(layers), arguments_(arguments) {
    for (size_t k = 0; k < layers.size(); ++k) {
      steps_.push_back(ChooseStepKernel(device, packed[k]->math, layers[k].shape));
    }
    if (steps_at_once == 0) return;
    const ConvLstmShape& s = layers.front().shape;
    const int rows = GeometryOf(s, s.batch).rows() * static_cast<int>(steps_at_once);
    const TileSize tile =
        tuning.tile.value_or(ChooseTile(rows, ColumnsOf(s), device.multiprocessors()));
    input_ = FindInputKernel(packed.front()->math, tile);
    device.AllowShared(reinterpret_cast<const void*>(input_.kernel), input_.shared_bytes);
  }

  // Its operands are at `pointers`, or at `late_pointers` where not null.
  KernelCall Call(const SequenceNode& node, const SequencePointers& pointers,
                  const SequencePointers* late_pointers) const {
    const ConvLstmShape& s = layers_[node.layer].shape;
    const auto call = [&](const char* name, const auto& kernel, auto p) -> KernelCall {
      p.pointers = pointers;
      p.late_pointers = late_pointers;
      dim3 grid = GridOf(p.geometry.rows(), s, kernel.rows, kernel.columns);
      if (node.input) grid.z = static_cast<unsigned>(arguments_.sequences());
      return {name,
              reinterpret_cast<const void*>(kernel.kernel),
              grid,
              dim3(static_cast<unsigned>(kernel.threads)),
              kernel.shared_bytes,
              p};
    };
    if (node.input) {
      return call("ConvLstmInput", input_, arguments_.InputOf(node.begin, node.end));
    }
    return call("ConvLstmStep", steps_[node.layer], arguments_.StepOf(node.layer, node.begin));
  }

 private:
  const std::vector<ConvLstmLayer>& layers_;
  const SequenceArguments& arguments_;
  std::vector<StepKernel> steps_;
  InputKernel input_ = {};
};

// At most kMaxLayers of them; the last has an output.
void RunLayers(Device& device, const std::vector<ConvLstmLayer>& layers) {
  const ConvLstmShape& first = layers.front().shape;
  PackedLayers packed;
  std::vector<SequenceLayer> views;
  StackPointers pointers = {};
  // Until what reads them is on the stream.
  std::vector<Buffer> held;
  std::vector<HeldFrames> held_frames;
  GraphCache::Key key = {first.batch,      first.time, first.height, first.width, 0,
                         first.time_major, {}};
  const auto frames = [&](const StoragePtr& storage, const ChannelsLast& layout) {
    return held_frames.emplace_back(device, storage, layout).data();
  };
  for (size_t k = 0; k < layers.size(); ++k) {
    const auto& [s, inputs, precision, outputs] = layers[k];
    packed.push_back(PackOnce(device, s, inputs, precision));
    const ChannelsLast state = {s.batch, s.hidden_dim, s.pixels()};
    SequencePointers& at = pointers.layers[k];
    at.x = k == 0 ? frames(inputs.x, {s.batch * s.time, s.input_dim, s.pixels()})
                  : pointers.layers[k - 1].output;
    at.h0 = frames(inputs.h0, state);
    at.c0 = frames(inputs.c0, state);
    at.c = outputs.c->AllocateChannelsLast(state);
    const bool has_output = outputs.output != nullptr;
    if (has_output) {
      at.output =
          outputs.output->AllocateChannelsLast({s.batch * s.time, s.hidden_dim, s.pixels()});
    }
    if (s.time > 1) {
      at.h = outputs.h->AllocateChannelsLast(state);
      if (!has_output) {
        held.push_back(device.AllocateArray<float>(kPlaces * outputs.h->elements()));
        at.output = held.back().as<float>();
      }
    } else if (has_output) {
      outputs.h->ShareElements(*outputs.output);
    } else {
      at.output = outputs.h->AllocateChannelsLast(state);
    }
    views.push_back(packed[k]->For(s, at.h0 != nullptr, has_output));
    key.has_h0.push_back(at.h0 != nullptr);
  }

  key.steps_at_once = StepsAtOnceOf(device, *packed.front(), first);
  const SequenceArguments arguments(std::move(views), key.steps_at_once);
  if (key.steps_at_once > 0) {
    held.push_back(device.AllocateArray<float>(arguments.sums_elements()));
    pointers.layers[0].sums_of_x = held.back().as<float>();
  }
  const auto kernels = [&] {
    return StackKernels(device, layers, packed, arguments, key.steps_at_once);
  };
  const auto nodes = [&] {
    return ListNodes(static_cast<int>(layers.size()), first.time, key.steps_at_once);
  };
  // One step is one kernel a layer, and a graph's first node would be one more.
  if (first.time == 1 || !tuning.graph) {
    const StackKernels k = kernels();
    for (const SequenceNode& node : nodes()) {
      Launch(device, k.Call(node, pointers.layers[node.layer], nullptr));
    }
    return;
  }
  GraphsOf(*layers.front().inputs.weight)
      .Get(key, packed,
           [&] {
             const StackKernels k = kernels();
             return std::make_unique<SequenceGraph>(
                 device, static_cast<int>(layers.size()), nodes(),
                 [&](const SequenceNode& node, const SequencePointers* late_pointers) {
                   return k.Call(node, {}, late_pointers);
                 });
           })
      .Launch(pointers);
}

// What RunLayers' kernels do not do.
bool IsMasked(const ConvLstmInputs& in) {
  return in.recurrent_mask != nullptr || in.zoneout_h != nullptr || in.zoneout_c != nullptr;
}

}  // namespace

void ConvLstm(Device& device, const ConvLstmShape& shape, const ConvLstmInputs& inputs,
              Precision precision, const ConvLstmOutputs& outputs) {
  if (outputs.saved != nullptr || IsMasked(inputs)) {
    ConvLstmByStep(device, shape, inputs, precision, outputs);
  } else {
    RunLayers(device, {{shape, inputs, precision, outputs}});
  }
}

void ConvLstmStack(Device& device, const std::vector<ConvLstmLayer>& layers) {
  StoragePtr x = layers.front().inputs.x;
  for (auto begin = layers.begin(); begin != layers.end();) {
    auto end = std::next(begin);
    while (!IsMasked(begin->inputs) && end != layers.end() && end - begin < kMaxLayers &&
           !IsMasked(end->inputs)) {
      ++end;
    }
    std::vector<ConvLstmLayer> group(begin, end);
    group.front().inputs.x = x;
    const ConvLstmShape& s = group.back().shape;
    StoragePtr& output = group.back().outputs.output;
    if (end != layers.end()) {
      output = std::make_shared<Storage>(s.batch * s.time * s.hidden_dim * s.pixels(), device);
    }
    if (IsMasked(group.front().inputs)) {
      ConvLstmByStep(device, s, group.front().inputs, group.front().precision,
                     group.front().outputs);
    } else {
      RunLayers(device, group);
    }
    x = output;
    begin = end;
  }
}

}  // namespace convlstm::cuda
