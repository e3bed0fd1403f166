// Backpropagation through time, from the last step to the first: saved gates become deltas, the
// gradients of the gates' sums (delta.cc), and the transposed convolution of the deltas with the
// weights of h is the gradient of the previous h. Gradients of x and of the weights wait until the
// steps are done (sequence_gradients.cc).
#include "cpu/conv_lstm/backward.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/delta.h"
#include "cpu/conv_lstm/lstm_cell.h"
#include "cpu/conv_lstm/sequence_gradients.h"
#include "cpu/conv_lstm/steps.h"
#include "cpu/convolution/convolution.h"
#include "cpu/frames/frames.h"
#include "cpu/frames/layout.h"
#include "cpu/simd/bfloat16.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

constexpr int64_t kGates = LstmCell::kGates;

// kept = zoneout . grad, and grad = (1 - zoneout) . grad.
void SplitByZoneout(const float* zoneout, bool one_for_all, float* grad, float* kept, int64_t count,
                    ThreadPool& pool) {
  ParallelFor(pool, count, 1, [=](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) {
      const float z = zoneout[one_for_all ? 0 : k];
      kept[k] = z * grad[k];
      grad[k] = (1.0f - z) * grad[k];
    }
  });
}

// to += from.
void AddElements(const float* from, float* to, int64_t count, ThreadPool& pool) {
  ParallelFor(pool, count, 1, [=](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) to[k] += from[k];
  });
}

class Backward {
 public:
  Backward(const ConvLstmShape& shape, ConvLstmBackwardInputs inputs, Precision precision,
           const ConvLstmGradients& gradients, ThreadPool& pool)
      : shape_(shape),
        inputs_(std::move(inputs)),
        in_(inputs_.forward),
        gradients_(gradients),
        pool_(pool),
        batch_(shape.batch),
        frame_(shape.hidden_dim * shape.pixels()),
        state_layout_{batch_, shape.hidden_dim, shape.pixels()},
        held_saved_(inputs_.saved->buffer()),
        saved_(shape, inputs_.save_every, inputs_.saved->mutable_data(), inputs_.saved_format),
        deltas_(shape, PeepholeRows(), gradients.bias != nullptr, gradients.wci != nullptr,
                CurrentIsa(), pool) {
    MakeHGradient();
    MakeStates();
    if (inputs_.output_grad != nullptr) {
      output_grad_.emplace(shape, *inputs_.output_grad, shape.hidden_dim, 1, pool);
    }
    mask_ = ToFrames(in_.recurrent_mask, state_layout_, pool);
    if (in_.zoneout_h != nullptr) {
      zoneout_h_.emplace(shape, *in_.zoneout_h, pool);
      h_total_ = NewState();
      h_kept_ = NewState();
    }
    if (in_.zoneout_c != nullptr) {
      zoneout_c_.emplace(shape, *in_.zoneout_c, pool);
      c_kept_ = NewState();
    }
    PlanMemory(precision);
    sequence_.emplace(shape, inputs_, gradients, h0_.data(), mask_.data(), pool);
  }

  void Run() {
    int64_t end = shape_.time;
    while (end > 0) {
      // A segment begins at a saved c.
      const int64_t begin = recomputes() ? (end - 1) / segment_steps_ * segment_steps_ : 0;
      if (recomputes()) Recompute(begin, end);
      for (int64_t t = end; t-- > begin;) Step(begin, t);
      if (begin == 0) FreeWhatStepsNeed();
      sequence_->Add(begin, end, Gates(begin, begin));
      end = begin;
    }
    Finish();
  }

 private:
  using Frames = std::vector<const float*>;
  using MutableFrames = std::vector<float*>;

  bool recomputes() const { return inputs_.save_every > 1; }
  bool in_16_bits() const { return inputs_.saved_format == SavedFormat::k16Bits; }
  Buffer NewState() const { return Buffer::AllocateArray<float>(batch_ * frame_); }
  const float* Rows(const StoragePtr& storage) const {
    return storage == nullptr ? nullptr : RowMajor(*storage, pool_);
  }
  ConvLstmWeights PeepholeRows() const {
    return {nullptr, nullptr, in_.peephole, {Rows(in_.wci), Rows(in_.wcf), Rows(in_.wco)}};
  }
  template <typename T>
  std::vector<T*> FramesFrom(T* first, int64_t stride) const {
    std::vector<T*> frames(batch_);
    for (int64_t b = 0; b < batch_; ++b) frames[b] = first + b * stride;
    return frames;
  }

  std::vector<GatePointer> GateFrames(int64_t segment, int64_t t) const {
    std::vector<GatePointer> frames(batch_);
    for (int64_t b = 0; b < batch_; ++b) frames[b] = Gates(segment, t) + kGates * b * frame_;
    return frames;
  }

  void MakeHGradient() {
    if (shape_.time == 1 && gradients_.h0 == nullptr) return;
    const int64_t taps = shape_.kernel_height * shape_.kernel_width;
    h_gradient_ = std::make_unique<DataGradient>(ConvolutionOf(shape_, shape_.hidden_dim, kGates),
                                                 Rows(in_.weight) + shape_.input_dim * taps,
                                                 (shape_.input_dim + shape_.hidden_dim) * taps,
                                                 CurrentIsa(), pool_);
  }

  // The gradients of the states, in the results' own memory where those are wanted.
  void MakeStates() {
    const auto allocate = [&](const StoragePtr& result, Buffer& own) {
      if (result != nullptr) return result->AllocateChannelsLast(state_layout_);
      own = NewState();
      return own.as<float>();
    };
    c_grad_ = allocate(gradients_.c0, own_c_grad_);
    if (inputs_.c_grad != nullptr) {
      CopyElements(ToFrames(inputs_.c_grad, state_layout_, pool_).data(), c_grad_, batch_ * frame_,
                   pool_);
    } else {
      FillZeros(c_grad_, batch_ * frame_, pool_);
    }
    h_grad_ = allocate(gradients_.h0, own_h_grad_);
    if (inputs_.h_grad != nullptr) {
      CopyElements(ToFrames(inputs_.h_grad, state_layout_, pool_).data(), h_grad_, batch_ * frame_,
                   pool_);
    }
    h_grad_is_zero_ = inputs_.h_grad == nullptr;
    h0_ = ToFrames(in_.h0, state_layout_, pool_);
    c0_ = ToFrames(in_.c0, state_layout_, pool_);
  }

  void PlanMemory(Precision precision) {
    segment_steps_ = std::min(inputs_.save_every, shape_.time);
    if (in_16_bits()) {
      step_deltas_ = Buffer::AllocateArray<float>(kGates * batch_ * frame_);
      c_before_ = NewState();
    }
    if (!recomputes()) return;
    h_.emplace(shape_, *inputs_.output, shape_.hidden_dim, 1, pool_);
    steps_.emplace(shape_, in_, precision, false, pool_);
    segment_gates_ = Buffer::Allocate(kGates * segment_steps_ * batch_ * frame_ *
                                      GateBytes(inputs_.saved_format));
    segment_c_ = Buffer::AllocateArray<float>(segment_steps_ * batch_ * frame_);
    segment_h_ = NewState();
    if (in_16_bits()) rounded_c_ = Buffer::AllocateArray<uint16_t>(batch_ * frame_);
  }

  void FreeWhatStepsNeed() {
    inputs_.output_grad = inputs_.h_grad = inputs_.c_grad = nullptr;
    output_grad_.reset();
    h_gradient_ = nullptr;
    steps_.reset();
    step_deltas_ = Buffer();
  }

  GatePointer Gates(int64_t segment, int64_t t) const {
    if (!recomputes()) return {saved_.gates(t), inputs_.saved_format};
    const GatePointer first(segment_gates_.as<void>(), inputs_.saved_format);
    return first + kGates * (t - segment) * batch_ * frame_;
  }
  // The float32 c before step t, in a recomputed segment; null for zeros.
  const float* ComputedCBefore(int64_t segment, int64_t t) const {
    if (t == 0) return c0_.data();
    if (t == segment) return saved_.c(t - 1);
    return segment_c_.as<float>() + (t - 1 - segment) * batch_ * frame_;
  }
  // c before step t for the gradients: rounded to the saved format, recomputed or not, so that both
  // give the same bits.
  const float* CBefore(int64_t segment, int64_t t) {
    if (t == 0 || !in_16_bits()) {
      return recomputes() || t == 0 ? ComputedCBefore(segment, t) : saved_.c(t - 1);
    }
    const int64_t count = batch_ * frame_;
    const uint16_t* kept = saved_.c_bfloat16(t - 1);
    if (recomputes()) {
      ToBfloat16(ComputedCBefore(segment, t), rounded_c_.as<uint16_t>(), count, pool_);
      kept = rounded_c_.as<uint16_t>();
    }
    FromBfloat16(kept, c_before_.as<float>(), count, pool_);
    return c_before_.as<float>();
  }

  // Runs the steps of a segment again for their gates and c.
  void Recompute(int64_t begin, int64_t end) {
    Frames h_in(batch_);
    if (begin == 0 && c0_.data() == nullptr) {
      zeros_ = NewState();
      FillZeros(zeros_.as<float>(), batch_ * frame_, pool_);
    }
    for (int64_t t = begin; t < end; ++t) {
      const bool has_h = HBefore(t, h_in.data());
      const float* c_before = ComputedCBefore(begin, t);
      const Frames c_in = FramesFrom(c_before == nullptr ? zeros_.as<float>() : c_before, frame_);
      const MutableFrames h = FramesFrom(segment_h_.as<float>(), frame_);
      const MutableFrames c =
          FramesFrom(segment_c_.as<float>() + (t - begin) * batch_ * frame_, frame_);
      const std::vector<GatePointer> gates = GateFrames(begin, t);
      steps_->Run(t,
                  {has_h ? h_in.data() : nullptr, c_in.data(), h.data(), c.data(), gates.data()});
    }
  }

  // Fills frames[batch] with h before step t; false for zeros.
  bool HBefore(int64_t t, const float** frames) const {
    if (t > 0) {
      h_->Get(t - 1, frames);
    } else if (h0_.data() != nullptr) {
      for (int64_t b = 0; b < batch_; ++b) frames[b] = h0_.data() + b * frame_;
    }
    return t > 0 || h0_.data() != nullptr;
  }

  // Turns the gradients of h and c after step t into deltas and the gradients before it.
  void Step(int64_t segment, int64_t t) {
    Frames output_grad(batch_);
    if (output_grad_) output_grad_->Get(t, output_grad.data());
    const Frames h_grad =
        FramesFrom<const float>(zoneout_h_ ? h_total_.as<float>() : h_grad_, frame_);
    const bool only_h_grad = zoneout_h_ || !output_grad_;
    if (zoneout_h_) SplitHGradient(t, output_grad);
    if (zoneout_c_) {
      zoneout_c_->Step(t);
      for (int64_t b = 0; b < batch_; ++b) {
        SplitByZoneout(zoneout_c_->frame(b), zoneout_c_->one_for_all(), c_grad_ + b * frame_,
                       c_kept_.as<float>() + b * frame_, frame_, pool_);
      }
    }

    const std::vector<GatePointer> gates = GateFrames(segment, t);
    const MutableFrames deltas =
        FramesFrom(in_16_bits() ? step_deltas_.as<float>() : gates[0].as<float>(), kGates * frame_);
    const float* c_before = CBefore(segment, t);
    const Frames c_in = FramesFrom(c_before, c_before == nullptr ? 0 : frame_);
    const MutableFrames c_grad = FramesFrom(c_grad_, frame_);
    const bool has_h_grad = zoneout_h_ || !h_grad_is_zero_;
    deltas_.Run({gates.data(), deltas.data(), c_before == nullptr ? nullptr : c_in.data(),
                 has_h_grad ? h_grad.data() : nullptr, only_h_grad ? nullptr : output_grad.data(),
                 c_grad.data()});
    if (zoneout_c_) AddElements(c_kept_.as<float>(), c_grad_, batch_ * frame_, pool_);

    if (t == 0 && gradients_.h0 == nullptr) return;
    h_gradient_->Run(batch_, Frames(deltas.begin(), deltas.end()).data(),
                     FramesFrom(h_grad_, frame_).data(), pool_);
    h_grad_is_zero_ = false;
    if (mask_.data() != nullptr) {
      MultiplyElements(h_grad_, mask_.data(), h_grad_, batch_ * frame_, pool_);
    }
    if (zoneout_h_) AddElements(h_kept_.as<float>(), h_grad_, batch_ * frame_, pool_);
  }

  // Splits the gradient of h into h_total_, of the cell's h, and h_kept_, which zoneout passes on
  // to the previous step.
  void SplitHGradient(int64_t t, const Frames& output_grad) {
    float* const total = h_total_.as<float>();
    if (h_grad_is_zero_) {
      FillZeros(total, batch_ * frame_, pool_);
    } else {
      CopyElements(h_grad_, total, batch_ * frame_, pool_);
    }
    zoneout_h_->Step(t);
    for (int64_t b = 0; b < batch_; ++b) {
      if (output_grad_) AddElements(output_grad[b], total + b * frame_, frame_, pool_);
      SplitByZoneout(zoneout_h_->frame(b), zoneout_h_->one_for_all(), total + b * frame_,
                     h_kept_.as<float>() + b * frame_, frame_, pool_);
    }
  }

  void Finish() {
    const auto allocate = [](const StoragePtr& storage) {
      return storage == nullptr ? nullptr : storage->Allocate();
    };
    deltas_.Finish(allocate(gradients_.bias),
                   {allocate(gradients_.wci), allocate(gradients_.wcf), allocate(gradients_.wco)});
  }

  const ConvLstmShape& shape_;
  ConvLstmBackwardInputs inputs_;
  const ConvLstmInputs& in_;
  const ConvLstmGradients& gradients_;
  ThreadPool& pool_;
  const int64_t batch_;
  const int64_t frame_;  // elements of a frame of h
  const ChannelsLast state_layout_;
  const std::shared_ptr<const Buffer> held_saved_;
  const SavedFrames saved_;
  ConvLstmDeltas deltas_;
  std::unique_ptr<DataGradient> h_gradient_;
  std::optional<SequenceGradients> sequence_;

  // [batch] frames: gradients of h and c after the current step.
  float* h_grad_;
  float* c_grad_;
  Buffer own_h_grad_, own_c_grad_;
  bool h_grad_is_zero_;  // h_grad_ is not written yet

  HeldFrames h0_, c0_;  // null for zeros

  std::optional<StepFrames> output_grad_;
  HeldFrames mask_;
  std::optional<ZoneoutFrames> zoneout_h_, zoneout_c_;
  Buffer h_total_, h_kept_, c_kept_;

  int64_t segment_steps_;  // steps whose gates are in memory at once
  // The current step's float32 deltas and c before it, with k16Bits.
  Buffer step_deltas_, c_before_;

  std::optional<ConvLstmSteps> steps_;
  std::optional<StepFrames> h_;
  Buffer segment_gates_, segment_c_, segment_h_, rounded_c_, zeros_;
};

}  // namespace

void Run(ThreadPool& pool, ConvLstmBackward op) {
  Backward(op.shape, std::move(op.inputs), op.precision, op.gradients, pool).Run();
}

}  // namespace convlstm::cpu
