// Backpropagation through time. Step after step, from the last: the deltas of the gates' sums take
// the gates' place (conv_lstm_delta.cuh), and their convolution with the weights of h, transposed,
// is the gradient of the h before. The gradients of x and of the weights are made for all steps
// whose deltas are there at once: neither is on the way from step to step.
#include <algorithm>
#include <memory>
#include <optional>

#include "cuda/conv_lstm_delta.cuh"
#include "cuda/conv_lstm_steps.h"
#include "cuda/convolution_gradients.h"
#include "cuda/launch.cuh"
#include "cuda/operations.h"

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
        layout_{shape.batch, shape.hidden_dim, pixels_},
        plan_(PlanStep(device, shape, in_, precision)),
        saved_(shape, inputs.save_every, inputs.saved->mutable_data()),
        h0_(device, in_.h0, layout_),
        c0_(device, in_.c0, layout_),
        output_(device, inputs.output, {shape.batch * shape.time, shape.hidden_dim, pixels_}),
        output_grad_(device, inputs.output_grad,
                     {shape.batch * shape.time, shape.hidden_dim, pixels_}),
        mask_(device, in_.recurrent_mask, layout_),
        zoneout_h_(device, shape, in_.zoneout_h),
        zoneout_c_(device, shape, in_.zoneout_c),
        segment_steps_(std::min(inputs.save_every, shape.time)) {
    MakeConvolutions();
    MakeStates();
    MakeSums();
    if (recomputes()) {
      steps_.emplace(device, shape, in_, precision);
      segment_gates_ = NewStates(4 * segment_steps_);
      segment_c_ = NewStates(segment_steps_);
      segment_h_ = NewStates(1);
    }
  }

  void Run() {
    for (int64_t end = s_.time; end > 0;) {
      // Segments begin where c was kept.
      const int64_t begin = recomputes() ? (end - 1) / segment_steps_ * segment_steps_ : 0;
      if (recomputes()) Recompute(begin, end);
      for (int64_t t = end; t-- > begin;) Step(begin, t);
      AddGradients(begin, end);
      end = begin;
    }
    Finish();
  }

 private:
  bool recomputes() const { return inputs_.save_every > 1; }
  int inputs() const { return static_cast<int>(s_.input_dim); }
  int hidden() const { return static_cast<int>(s_.hidden_dim); }
  Buffer NewStates(int64_t count) { return device_.AllocateArray<float>(count * state_); }
  // Frames from a step's to the next one's, where a sequence lies as x and output do.
  int64_t StepFrames() const { return s_.time_major ? s_.batch : 1; }

  void MakeConvolutions() {
    const ConvGeometry& g = plan_.arguments.geometry;
    const int row_inputs = inputs() + hidden(), out = 4 * hidden();
    if (gradients_.x != nullptr) {
      x_gradient_.emplace(device_, plan_.math, g,
                          WeightPart{in_.weight, 0, inputs(), row_inputs, out});
      gradients_.x->AllocateChannelsLast({s_.batch * s_.time, s_.input_dim, pixels_});
    }
    if (s_.time > 1 || gradients_.h0 != nullptr) {
      h_gradient_.emplace(device_, plan_.math, g,
                          WeightPart{in_.weight, inputs(), hidden(), row_inputs, out});
    }
    if (gradients_.weight == nullptr) return;
    x_ = HeldFrames(device_, in_.x, {s_.batch * s_.time, s_.input_dim, pixels_});
    x_weight_.emplace(device_, plan_.math, g, inputs(), out);
    h_weight_.emplace(device_, plan_.math, g, hidden(), out);
    if (mask_.data() != nullptr) masked_h_ = NewStates(recomputes() ? segment_steps_ : s_.time);
  }

  // The states' gradients, which the results hold where they are wanted.
  void MakeStates() {
    const auto make = [&](const StoragePtr& result, const StoragePtr& given, Buffer& own) {
      const HeldFrames from(device_, given, layout_);
      if (result == nullptr) own = NewStates(1);
      float* const to = result == nullptr ? own.as<float>() : result->AllocateChannelsLast(layout_);
      const size_t bytes = state_ * sizeof(float);
      device_.Check(
          from.data() == nullptr
              ? cudaMemsetAsync(to, 0, bytes, device_.stream())
              : cudaMemcpyAsync(to, from.data(), bytes, cudaMemcpyDeviceToDevice, device_.stream()),
          "beginning a state's gradient");
      return to;
    };
    h_grad_ = make(gradients_.h0, inputs_.h_grad, own_h_grad_);
    c_grad_ = make(gradients_.c0, inputs_.c_grad, own_c_grad_);
  }

  void MakeSums() {
    const bool spatial = in_.peephole == Peephole::kSpatial;
    const bool channel_peepholes = gradients_.wci != nullptr && !spatial;
    if (gradients_.bias != nullptr || channel_peepholes) {
      sums_.emplace(device_, s_.batch * pixels_, hidden(), kDeltaSums);
    }
    if (gradients_.wci == nullptr || !spatial) return;
    spatial_sums_ = device_.AllocateArray<float>(3 * frame_);
    device_.Check(
        cudaMemsetAsync(spatial_sums_.as<float>(), 0, spatial_sums_.bytes(), device_.stream()),
        "clearing sums");
  }

  float* Gates(int64_t segment, int64_t t) const {
    return recomputes() ? segment_gates_.as<float>() + 4 * (t - segment) * state_ : saved_.gates(t);
  }
  // c before step t; null for zeros.
  const float* CBefore(int64_t segment, int64_t t) const {
    if (t == 0) return c0_.data();
    if (t == segment || !recomputes()) return saved_.c(t - 1);
    return segment_c_.as<float>() + (t - 1 - segment) * state_;
  }
  // h before step t.
  Frames HBefore(int64_t t) const {
    if (t == 0) return {h0_.data(), static_cast<int>(pixels_)};
    return {output_.data() + s_.frame(0, t - 1) * frame_, ImageStride(s_)};
  }

  // The steps of a segment once more, for their gates and c.
  void Recompute(int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      steps_->Run(t,
                  {HBefore(t), CBefore(begin, t), segment_h_.as<float>(), static_cast<int>(pixels_),
                   segment_c_.as<float>() + (t - begin) * state_, Gates(begin, t)});
    }
  }

  // From the gradients of h and c after step t to the step's deltas and the gradients before it.
  void Step(int64_t segment, int64_t t) {
    const StepArguments& step = plan_.arguments;
    DeltaArguments p = {};
    p.hidden = hidden();
    p.images = static_cast<int>(s_.batch);
    p.pixels = static_cast<int>(pixels_);
    p.gates = Gates(segment, t);
    p.c_in = CBefore(segment, t);
    p.h_grad = h_grad_;
    p.c_grad = c_grad_;
    if (output_grad_.data() != nullptr) {
      p.output_grad = output_grad_.data() + s_.frame(0, t) * frame_;
    }
    p.zoneout_h = zoneout_h_.At(s_, t);
    p.zoneout_c = zoneout_c_.At(s_, t);
    p.one_zoneout_h = zoneout_h_.one_for_all();
    p.one_zoneout_c = zoneout_c_.one_for_all();
    p.image_stride = ImageStride(s_);
    p.peephole = step.peephole;
    p.peephole_elements = step.peephole_elements;
    p.peephole_pixel_stride = step.peephole_pixel_stride;
    p.sums = sums_ ? sums_->data() : nullptr;
    p.sum_count = in_.peephole == Peephole::kChannel ? kDeltaSums : 4;
    p.spatial_sums = spatial_sums_ ? spatial_sums_.as<float>() : nullptr;
    // Without sums the grid is free, with them the same for every step.
    const dim3 grid = sums_ ? sums_->grid() : SumGrid(device_, s_.batch * pixels_, hidden());
    Launch(device_, "ConvLstmDelta", ConvLstmDelta, grid, dim3(kChannelThreads),
           kChannelSharedBytes, p);
    if (t == 0 && gradients_.h0 == nullptr) return;
    h_gradient_->Run(p.images, p.gates,
                     {h_grad_, 1, 0, pixels_, mask_.data(), p.zoneout_h != nullptr});
  }

  // What the steps of a segment contribute to the gradients of x and of the weights.
  void AddGradients(int64_t begin, int64_t end) {
    const auto steps = static_cast<int>(end - begin);
    if (x_gradient_) {
      x_gradient_->Run(
          steps * static_cast<int>(s_.batch), Gates(begin, begin),
          {gradients_.x->mutable_data() + s_.frame(0, begin) * pixels_ * s_.input_dim,
           static_cast<int>(s_.batch), ImageStride(s_), StepFrames() * pixels_, nullptr, false});
    }
    if (!x_weight_) return;
    x_weight_->Add({x_.data() + s_.frame(0, end - 1) * pixels_ * s_.input_dim, ImageStride(s_),
                    StepFrames() * pixels_ * s_.input_dim, Gates(begin, end - 1), steps});
    const int64_t first = std::max<int64_t>(begin, 1);
    if (first < end) AddHidden(begin, first, end);
    if (begin == 0 && h0_.data() != nullptr) AddHidden(begin, 0, 1);
  }

  // The weights' gradients for the h before steps [first, end): of one origin, h0 or the output.
  void AddHidden(int64_t segment, int64_t first, int64_t end) {
    const auto steps = static_cast<int>(end - first);
    Frames h = HBefore(first);
    int64_t stride = StepFrames() * frame_;
    if (mask_.data() != nullptr) {
      LaunchMask(device_, s_, h, stride, mask_.data(), steps, masked_h_.as<float>());
      h = {masked_h_.as<float>(), static_cast<int>(pixels_)};
      stride = state_;
    }
    h_weight_->Add(
        {h.data + (steps - 1) * stride, h.stride, stride, Gates(segment, end - 1), steps});
  }

  void Finish() {
    if (gradients_.weight != nullptr) {
      float* const weight = gradients_.weight->Allocate();
      const int row_inputs = inputs() + hidden();
      x_weight_->Finish(weight, row_inputs);
      h_weight_->Finish(weight + s_.input_dim * s_.kernel_height * s_.kernel_width, row_inputs);
    }
    if (gradients_.bias != nullptr) {
      sums_->Finish(0, 4 * hidden(), gradients_.bias->Allocate());
    }
    int k = 0;
    for (const StoragePtr& w : {gradients_.wci, gradients_.wcf, gradients_.wco}) {
      if (w != nullptr && spatial_sums_) {
        LaunchTranspose(device_, 1, pixels_, hidden(), spatial_sums_.as<float>() + k * frame_,
                        w->Allocate());
      } else if (w != nullptr) {
        sums_->Finish((4 + k) * hidden(), hidden(), w->Allocate());
      }
      ++k;
    }
  }

  Device& device_;
  const ConvLstmShape& s_;
  const ConvLstmInputs& in_;
  const ConvLstmBackwardInputs& inputs_;
  const ConvLstmGradients& gradients_;
  const int64_t pixels_, frame_, state_;  // elements of a frame of h, of a state
  const ChannelsLast layout_;
  const StepPlan plan_;
  const SavedFrames saved_;
  const HeldFrames h0_, c0_, output_, output_grad_, mask_;
  const Zoneout zoneout_h_, zoneout_c_;
  HeldFrames x_;
  std::optional<DataGradient> x_gradient_, h_gradient_;
  std::optional<WeightGradientSums> x_weight_, h_weight_;

  // Of h and c after the step at work.
  float* h_grad_;
  float* c_grad_;
  Buffer own_h_grad_, own_c_grad_;

  std::optional<ChannelSums> sums_;
  Buffer spatial_sums_;  // [3][pixel][hidden]

  const int64_t segment_steps_;  // whose gates are there at once
  std::optional<ConvLstmSteps> steps_;
  Buffer segment_gates_, segment_c_, segment_h_, masked_h_;
};

}  // namespace

void ConvLstmBackward(Device& device, const ConvLstmShape& shape,
                      const ConvLstmBackwardInputs& inputs, Precision precision,
                      const ConvLstmGradients& gradients) {
  Backward(device, shape, inputs, precision, gradients).Run();
}

}  // namespace convlstm::cuda
