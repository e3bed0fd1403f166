// Backpropagation through time. From the last step to the first, the deltas overwrite the saved
// gates (delta.cuh), and their transposed convolution with the weights of h is the gradient of the
// previous h. The gradients of x and of the weights are off this critical path: they are computed
// for all steps of a segment at once.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cuda/conv_lstm/backward_arguments.cuh"
#include "cuda/conv_lstm/channels_last_operand.h"
#include "cuda/conv_lstm/packed_layer.h"
#include "cuda/conv_lstm/sequence_key.h"
#include "cuda/convolution/conv2d_kernels.h"
#include "cuda/convolution/gradients.h"
#include "cuda/device/graph.h"
#include "cuda/device/launch.cuh"
#include "cuda/tensor/operations.h"

namespace convlstm::cuda {
namespace {

class Backward {
 public:
  Backward(Device& device, const ConvLstmShape& shape, const ConvLstmBackwardInputs& inputs,
           Precision precision, const ConvLstmGradients& gradients)
      : device_(device),
        s_(shape),
        in_(inputs.forward),
        inputs_(inputs),
        gradients_(gradients),
        pixels_(shape.pixels()),
        frame_(shape.hidden_dim * pixels_),
        state_(shape.batch * frame_),
        packed_(PackOnce(device, shape, in_, precision)),
        layer_(ViewOf(*packed_, shape, in_)),
        math_(WithoutWgmma(layer_.math)) {
    layer_.has_output = true;
    layer_.save_every = inputs.save_every;
    plan_.time = s_.time;
    plan_.recomputes = inputs.save_every > 1;
    plan_.segment_steps = plan_.recomputes ? std::min(inputs.save_every, s_.time) : s_.time;
    plan_.masked = layer_.masked;
    plan_.has_h0 = layer_.has_h0;
    plan_.wants_x = gradients.x != nullptr;
    plan_.wants_h0 = gradients.h0 != nullptr;
    plan_.wants_weight = gradients.weight != nullptr;
    TakeOperands();
    MakeConvolutions();
    MakeStates();
    MakeSums();
    if (plan_.recomputes) {
      at_.segment_gates = AllocateTemporary(LstmCell::kGates * plan_.segment_steps * state_);
      at_.segment_c = AllocateTemporary(plan_.segment_steps * state_);
      at_.scratch_h = AllocateTemporary(state_);
    }
  }

  void Run() {
    if (!tuning.graph) {
      for (const GraphCall& call : Calls(nullptr)) Launch(device_, call.call);
    } else {
      GraphCache::Key key = {static_cast<int64_t>(GraphKind::kBackward), plan_.wants_x,
                             plan_.wants_h0, plan_.wants_weight, SumCount()};
      AppendTo(key, layer_);
      device_.graphs().Launch(device_, "a graph of ConvLstmDelta", key,
                              std::vector<BackwardPointers>{at_},
                              [this](const BackwardPointers* table) { return Calls(table); });
    }
    Finish();
  }

 private:
  int inputs() const { return static_cast<int>(s_.input_dim); }
  int hidden() const { return static_cast<int>(s_.hidden_dim); }
  ChannelsLast StateLayout() const { return {s_.batch, s_.hidden_dim, pixels_}; }
  ChannelsLast SequenceLayout(int64_t channels) const {
    return {s_.batch * s_.time, channels, pixels_};
  }
  int SumCount() const {
    return in_.peephole == Peephole::kChannel ? kDeltaSums<LstmCell> : LstmCell::kGates;
  }

  float* AllocateTemporary(int64_t elements) {
    return temporaries_.emplace_back(device_.AllocateArray<float>(elements)).as<float>();
  }
  const float* ToOperand(const StoragePtr& storage, const ChannelsLast& layout) {
    return frame_operands_.emplace_back(device_, storage, layout).data();
  }

  void TakeOperands() {
    LayerPointers& layer = at_.layer;
    layer.weights = packed_->weights.as<uint4>();
    layer.bias = packed_->bias.as<float>();
    layer.peephole = packed_->peephole.as<float>();
    if (plan_.recomputes || plan_.wants_weight) {
      layer.x = ToOperand(in_.x, SequenceLayout(s_.input_dim));
    }
    layer.h0 = ToOperand(in_.h0, StateLayout());
    layer.c0 = ToOperand(in_.c0, StateLayout());
    // Backward kernels only read it.
    layer.output = const_cast<float*>(ToOperand(inputs_.output, SequenceLayout(s_.hidden_dim)));
    layer.saved = inputs_.saved->mutable_data();
    const ChannelsLast one = {1, 1, 1}, sequence = SequenceLayout(s_.hidden_dim);
    layer.zoneout_h = ToOperand(in_.zoneout_h, layer_.one_zoneout_h ? one : sequence);
    layer.zoneout_c = ToOperand(in_.zoneout_c, layer_.one_zoneout_c ? one : sequence);
    at_.output_grad = ToOperand(inputs_.output_grad, sequence);
    if (!plan_.masked) return;
    layer.mask = ToOperand(in_.recurrent_mask, StateLayout());
    if (plan_.recomputes || plan_.wants_weight) {
      at_.masked_h = AllocateTemporary(plan_.segment_steps * state_);
      if (plan_.has_h0) {
        float* const masked = AllocateTemporary(state_);
        Launch(device_,
               MaskCall(device_,
                        {{layer.h0}, 0, frame_, frame_, state_, {layer.mask}, {masked}, state_}));
        layer.masked_h0 = masked;
      }
    }
  }

  void MakeConvolutions() {
    const ConvGeometry g = GeometryOf(s_, s_.batch);
    const int row_inputs = inputs() + hidden(), out = LstmCell::kGates * hidden();
    if (plan_.wants_x) {
      x_gradient_.emplace(device_, math_, g, WeightPart{in_.weight, 0, inputs(), row_inputs, out});
      at_.x_weights = x_gradient_->weights();
      at_.x_grad = gradients_.x->AllocateChannelsLast(SequenceLayout(s_.input_dim));
    }
    if (s_.time > 1 || plan_.wants_h0) {
      h_gradient_.emplace(device_, math_, g,
                          WeightPart{in_.weight, inputs(), hidden(), row_inputs, out});
      at_.h_weights = h_gradient_->weights();
    }
    if (!plan_.wants_weight) return;
    x_weight_.emplace(device_, math_, g, inputs(), out);
    h_weight_.emplace(device_, math_, g, hidden(), out);
    at_.x_partial = x_weight_->partial();
    at_.h_partial = h_weight_->partial();
  }

  // The running gradients of h and c. They live in the results h0 and c0 where those are wanted.
  void MakeStates() {
    const auto make = [&](const StoragePtr& result, const StoragePtr& given) {
      const ChannelsLastOperand from(device_, given, StateLayout());
      float* const to = result == nullptr ? AllocateTemporary(state_)
                                          : result->AllocateChannelsLast(StateLayout());
      const size_t bytes = state_ * sizeof(float);
      device_.Check(
          from.data() == nullptr
              ? cudaMemsetAsync(to, 0, bytes, device_.stream())
              : cudaMemcpyAsync(to, from.data(), bytes, cudaMemcpyDeviceToDevice, device_.stream()),
          "initialising a state's gradient");
      return to;
    };
    at_.h_grad = make(gradients_.h0, inputs_.h_grad);
    at_.c_grad = make(gradients_.c0, inputs_.c_grad);
  }

  void MakeSums() {
    const bool spatial = in_.peephole == Peephole::kSpatial;
    const bool channel_peepholes = gradients_.wci != nullptr && !spatial;
    if (gradients_.bias != nullptr || channel_peepholes) {
      sums_.emplace(device_, s_.batch * pixels_, hidden(), kDeltaSums<LstmCell>);
      at_.sums = sums_->data();
    }
    if (gradients_.wci == nullptr || !spatial) return;
    const int64_t elements = LstmCell::kPeepholes * frame_;
    at_.spatial_sums = AllocateTemporary(elements);
    device_.Check(cudaMemsetAsync(at_.spatial_sums, 0, elements * sizeof(float), device_.stream()),
                  "clearing sums");
  }

  std::vector<GraphCall> Calls(const BackwardPointers* table) {
    using Kind = BackwardNode::Kind;
    const BackwardArguments of(layer_, plan_, SumCount(), {at_, table});
    const StepKernel step = ChooseStepKernel(device_, layer_.math, s_);
    const dim3 step_grid = GridOf(step.row_blocks(GeometryOf(s_, s_.batch)), s_, step.columns);
    const dim3 delta_grid = SumGrid(device_, s_.batch * pixels_, hidden());
    const auto call_of = [&](const BackwardNode& n) {
      switch (n.kind) {
        case Kind::kMask:
          return MaskCall(device_, of.Mask(n.begin, n.end));
        case Kind::kStep:
          return CallOf("ConvLstmStep", step.kernel, step_grid, step.threads, step.shared_bytes,
                        of.Step(n.segment, n.begin));
        case Kind::kDelta:
          return CallOf("ConvLstmDelta", ConvLstmDelta<LstmCell>, delta_grid, kChannelThreads,
                        kChannelSharedBytes, of.Delta(n.segment, n.begin));
        case Kind::kHidden:
          return Convolve2dCall(device_, math_, of.Hidden(n.segment, n.begin));
        case Kind::kInput:
          return Convolve2dCall(device_, math_, of.Input(n.begin, n.end));
        case Kind::kInputWeights:
          return x_weight_->Call(of.InputWeights(n.begin, n.end));
        case Kind::kHiddenWeights:
        case Kind::kFirstWeights:
          break;
      }
      return h_weight_->Call(of.HiddenWeights(n.segment, n.begin, n.end));
    };
    std::vector<GraphCall> calls;
    for (BackwardNode& node : ListBackwardNodes(plan_)) {
      calls.push_back({call_of(node), std::move(node.after)});
    }
    return calls;
  }

  void Finish() {
    if (plan_.wants_weight) {
      float* const weight = gradients_.weight->Allocate();
      const int row_inputs = inputs() + hidden();
      x_weight_->Finish(weight, row_inputs, true);
      h_weight_->Finish(weight + s_.input_dim * s_.kernel_height * s_.kernel_width, row_inputs,
                        s_.time > 1 || plan_.has_h0);
    }
    if (gradients_.bias != nullptr) {
      sums_->Finish(0, LstmCell::kGates * hidden(), gradients_.bias->Allocate());
    }
    int k = 0;
    for (const StoragePtr& w : {gradients_.wci, gradients_.wcf, gradients_.wco}) {
      if (w != nullptr && at_.spatial_sums != nullptr) {
        LaunchTranspose(device_, 1, pixels_, hidden(), at_.spatial_sums + k * frame_,
                        w->Allocate());
      } else if (w != nullptr) {
        sums_->Finish((LstmCell::kGates + k) * hidden(), hidden(), w->Allocate());
      }
      ++k;
    }
  }

  Device& device_;
  const ConvLstmShape& s_;
  const ConvLstmInputs& in_;
  const ConvLstmBackwardInputs& inputs_;
  const ConvLstmGradients& gradients_;
  const int64_t pixels_, frame_, state_;  // elements of h: of an image, of the batch
  const std::shared_ptr<const PackedLayer> packed_;
  SequenceLayer layer_;
  const Math math_;
  BackwardPlan plan_ = {};
  BackwardPointers at_ = {};
  std::optional<DataGradient> x_gradient_, h_gradient_;
  std::optional<WeightGradientSums> x_weight_, h_weight_;
  std::optional<ChannelSums> sums_;
  // Alive until the kernels that read them are on the stream.
  std::vector<Buffer> temporaries_;
  std::vector<ChannelsLastOperand> frame_operands_;
};

}  // namespace

void Run(Device& device, const ConvLstmBackward& op) {
  Backward(device, op.shape, op.inputs, op.precision, op.gradients).Run();
}

}  // namespace convlstm::cuda
