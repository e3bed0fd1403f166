// Backpropagation through time. Step after step, from the last: the gates become the deltas of
// their sums (conv_lstm_delta.cc), and the convolution of those with the weights of h, transposed,
// is the gradient of the h before. The gradients of x and of the weights wait until some steps are
// done: neither is on the way from step to step.
#include "cpu/conv_lstm_backward.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm.h"
#include "cpu/conv_lstm_delta.h"
#include "cpu/convolution_gradients.h"
#include "cpu/frames.h"
#include "cpu/layout.h"
#include "cpu/parallel_for.h"

namespace convlstm::cpu {
namespace {

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
  Backward(const ConvLstmShape& shape, const ConvLstmBackwardInputs& inputs, Precision precision,
           const ConvLstmGradients& gradients, ThreadPool& pool)
      : shape_(shape),
        in_(inputs.forward),
        inputs_(inputs),
        gradients_(gradients),
        pool_(pool),
        batch_(shape.batch),
        frame_(shape.hidden_dim * shape.pixels()),
        state_layout_{batch_, shape.hidden_dim, shape.pixels()},
        held_saved_(inputs.saved->buffer()),
        saved_(shape, inputs.save_every, inputs.saved->mutable_data(), inputs.gate_format),
        deltas_(shape, PeepholeRows(), gradients.bias != nullptr, gradients.wci != nullptr,
                CurrentIsa(), pool) {
    MakeConvolutions();
    MakeStates();
    if (inputs.output_grad != nullptr) {
      output_grad_.emplace(shape, *inputs.output_grad, shape.hidden_dim, 1, pool);
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
  }

  void Run() {
    int64_t end = shape_.time;
    while (end > 0) {
      // Segments begin where c was kept.
      const int64_t begin = recomputes() ? (end - 1) / segment_steps_ * segment_steps_ : 0;
      if (recomputes()) Recompute(begin, end);
      for (int64_t chunk_end = end; chunk_end > begin;) {
        const int64_t chunk_begin = std::max(begin, chunk_end - chunk_steps_);
        for (int64_t t = chunk_end; t-- > chunk_begin;) Step(begin, t);
        for (int64_t t = chunk_end; t-- > chunk_begin;) AddGradients(begin, t);
        FinishChunk();
        chunk_end = chunk_begin;
      }
      end = begin;
    }
    Finish();
  }

 private:
  using Frames = std::vector<const float*>;
  using MutableFrames = std::vector<float*>;

  bool recomputes() const { return inputs_.save_every > 1; }
  Buffer NewState() const { return Buffer::AllocateArray<float>(batch_ * frame_); }
  const float* Rows(const StoragePtr& storage) const {
    return storage == nullptr ? nullptr : RowMajor(*storage, pool_);
  }
  ConvLstmWeights PeepholeRows() const {
    return {nullptr, nullptr, in_.peephole, Rows(in_.wci), Rows(in_.wcf), Rows(in_.wco)};
  }
  // frames[b] = first + b * stride.
  template <typename T>
  std::vector<T*> FramesFrom(T* first, int64_t stride) const {
    std::vector<T*> frames(batch_);
    for (int64_t b = 0; b < batch_; ++b) frames[b] = first + b * stride;
    return frames;
  }

  std::vector<GatePointer> GateFrames(int64_t segment, int64_t t) const {
    std::vector<GatePointer> frames(batch_);
    for (int64_t b = 0; b < batch_; ++b) frames[b] = Gates(segment, t) + 4 * b * frame_;
    return frames;
  }

  void MakeConvolutions() {
    const Isa isa = CurrentIsa();
    const int64_t taps = shape_.kernel_height * shape_.kernel_width;
    const int64_t out_stride = (shape_.input_dim + shape_.hidden_dim) * taps;
    const float* weight = Rows(in_.weight);
    const ConvolutionShape of_x = ConvolutionOf(shape_, shape_.input_dim);
    const ConvolutionShape of_h = ConvolutionOf(shape_, shape_.hidden_dim);
    if (gradients_.x != nullptr) {
      x_gradient_ = MakeDataGradient(of_x, weight, out_stride, isa, pool_);
      gradients_.x->AllocateChannelsLast({batch_ * shape_.time, shape_.input_dim, shape_.pixels()});
    }
    if (shape_.time > 1 || gradients_.h0 != nullptr) {
      h_gradient_ =
          MakeDataGradient(of_h, weight + shape_.input_dim * taps, out_stride, isa, pool_);
    }
    if (gradients_.weight != nullptr) {
      x_weight_gradient_ = MakeWeightGradient(of_x, isa, pool_);
      h_weight_gradient_ = MakeWeightGradient(of_h, isa, pool_);
    }
  }

  // The states' gradients, which the results hold where they are wanted.
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
    // Enough pixels for the sums of the weights' gradients to pay for their memory, which is read
    // and written once for them all; not more, so that deltas come from the cache.
    // Half as many where deltas take memory of their own.
    const bool in_place = inputs_.gate_format == GateFormat::kFloat32;
    const int64_t chunk_pixels = in_place ? 8192 : 4096;
    const int64_t steps = chunk_pixels / (batch_ * shape_.pixels());
    chunk_steps_ = std::clamp<int64_t>(steps, 1, recomputes() ? segment_steps_ : shape_.time);
    x_.emplace(shape_, *in_.x, shape_.input_dim, chunk_steps_, pool_);
    h_.emplace(shape_, *inputs_.output, shape_.hidden_dim, chunk_steps_, pool_);
    if (mask_.data() != nullptr) {
      masked_h_ = Buffer::AllocateArray<float>(chunk_steps_ * batch_ * frame_);
    }
    if (!in_place) {
      delta_buffer_ = Buffer::AllocateArray<float>(4 * chunk_steps_ * batch_ * frame_);
    }
    if (!recomputes()) return;
    steps_.emplace(shape_, in_, precision, false, pool_);
    segment_gates_ =
        Buffer::Allocate(4 * segment_steps_ * batch_ * frame_ * GateBytes(inputs_.gate_format));
    segment_c_ = Buffer::AllocateArray<float>(segment_steps_ * batch_ * frame_);
    segment_h_ = NewState();
  }

  GatePointer Gates(int64_t segment, int64_t t) const {
    if (!recomputes()) return {saved_.gates(t), inputs_.gate_format};
    const GatePointer first(segment_gates_.as<void>(), inputs_.gate_format);
    return first + 4 * (t - segment) * batch_ * frame_;
  }
  // Of a step of the chunk: in the gates' place, where there is room for float32.
  float* Deltas(int64_t segment, int64_t t) const {
    if (inputs_.gate_format == GateFormat::kFloat32) return Gates(segment, t).as<float>();
    return delta_buffer_.as<float>() + 4 * (t % chunk_steps_) * batch_ * frame_;
  }
  // c before step t; null for zeros.
  const float* CBefore(int64_t segment, int64_t t) const {
    if (t == 0) return c0_.data();
    if (t == segment || !recomputes()) return saved_.c(t - 1);
    return segment_c_.as<float>() + (t - 1 - segment) * batch_ * frame_;
  }

  // The steps of a segment once more, for their gates and c.
  void Recompute(int64_t begin, int64_t end) {
    Frames h_in(batch_);
    if (begin == 0 && c0_.data() == nullptr) {
      zeros_ = NewState();
      FillZeros(zeros_.as<float>(), batch_ * frame_, pool_);
    }
    for (int64_t t = begin; t < end; ++t) {
      const bool has_h = HBefore(t, h_in.data());
      const float* c_before = CBefore(begin, t);
      const Frames c_in = FramesFrom(c_before == nullptr ? zeros_.as<float>() : c_before, frame_);
      const MutableFrames h = FramesFrom(segment_h_.as<float>(), frame_);
      const MutableFrames c =
          FramesFrom(segment_c_.as<float>() + (t - begin) * batch_ * frame_, frame_);
      const std::vector<GatePointer> gates = GateFrames(begin, t);
      steps_->Run(t,
                  {has_h ? h_in.data() : nullptr, c_in.data(), h.data(), c.data(), gates.data()});
    }
  }

  // The frames of h before step t; false for zeros.
  bool HBefore(int64_t t, const float** frames) const {
    if (t > 0) {
      h_->Get(t - 1, frames);
    } else if (h0_.data() != nullptr) {
      for (int64_t b = 0; b < batch_; ++b) frames[b] = h0_.data() + b * frame_;
    }
    return t > 0 || h0_.data() != nullptr;
  }

  // From the gradients of h and c after step t to the step's deltas and the gradients before it.
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
    const MutableFrames deltas = FramesFrom(Deltas(segment, t), 4 * frame_);
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

  // h_total_ is what reaches the h before zoneout, h_kept_ what goes on to the step before.
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

  // Takes step t into the chunk. From the last step to the first, however they are grouped: sums
  // then have the same bits whatever is saved.
  void AddGradients(int64_t segment, int64_t t) {
    Frames frames(batch_);
    const float* const deltas = Deltas(segment, t);
    const int64_t slot = t % chunk_steps_;
    if (x_gradient_ != nullptr) {
      float* const x_grad = gradients_.x->mutable_data();
      for (int64_t b = 0; b < batch_; ++b) {
        chunk_x_grad_.push_back(x_grad + shape_.frame(b, t) * shape_.input_dim * shape_.pixels());
      }
    }
    for (int64_t b = 0; b < batch_; ++b) chunk_deltas_.push_back(deltas + 4 * b * frame_);
    if (gradients_.weight == nullptr) return;
    x_->Get(t, frames.data());
    chunk_x_.insert(chunk_x_.end(), frames.begin(), frames.end());
    if (!HBefore(t, frames.data())) return;  // t is 0, the chunk's last
    for (int64_t b = 0; b < batch_; ++b) {
      if (mask_.data() != nullptr) {
        float* const masked = masked_h_.as<float>() + (slot * batch_ + b) * frame_;
        MultiplyElements(frames[b], mask_.data() + b * frame_, masked, frame_, pool_);
        frames[b] = masked;
      }
      chunk_h_.push_back(frames[b]);
    }
  }

  // The gradients that the steps of the chunk contribute to x and to the weights.
  void FinishChunk() {
    const int64_t frames = static_cast<int64_t>(chunk_deltas_.size());
    if (x_gradient_ != nullptr) {
      x_gradient_->Run(frames, chunk_deltas_.data(), chunk_x_grad_.data(), pool_);
    }
    if (gradients_.weight != nullptr) {
      const int64_t with_h = static_cast<int64_t>(chunk_h_.size());
      x_weight_gradient_->Add(frames, chunk_x_.data(), chunk_deltas_.data(), pool_);
      h_weight_gradient_->Add(with_h, chunk_h_.data(), chunk_deltas_.data(), pool_);
    }
    chunk_deltas_.clear();
    chunk_x_.clear();
    chunk_h_.clear();
    chunk_x_grad_.clear();
  }

  void Finish() {
    const auto allocate = [](const StoragePtr& storage) {
      return storage == nullptr ? nullptr : storage->Allocate();
    };
    deltas_.Finish(allocate(gradients_.bias),
                   {allocate(gradients_.wci), allocate(gradients_.wcf), allocate(gradients_.wco)});
    if (gradients_.weight == nullptr) return;
    // The result then needs no memory beside what the steps needed.
    x_gradient_ = nullptr;
    h_gradient_ = nullptr;
    delta_buffer_ = Buffer();
    const int64_t taps = shape_.kernel_height * shape_.kernel_width;
    const int64_t out_stride = (shape_.input_dim + shape_.hidden_dim) * taps;
    float* const weight = gradients_.weight->Allocate();
    x_weight_gradient_->Finish(weight, out_stride, pool_);
    h_weight_gradient_->Finish(weight + shape_.input_dim * taps, out_stride, pool_);
  }

  const ConvLstmShape& shape_;
  const ConvLstmInputs& in_;
  const ConvLstmBackwardInputs& inputs_;
  const ConvLstmGradients& gradients_;
  ThreadPool& pool_;
  const int64_t batch_;
  const int64_t frame_;  // elements of a frame of h
  const ChannelsLast state_layout_;
  const std::shared_ptr<const Buffer> held_saved_;
  const SavedFrames saved_;
  ConvLstmDeltas deltas_;
  std::unique_ptr<DataGradient> x_gradient_, h_gradient_;
  std::unique_ptr<WeightGradient> x_weight_gradient_, h_weight_gradient_;

  // The gradients of h and c after the step at work.
  float* h_grad_;
  float* c_grad_;
  Buffer own_h_grad_, own_c_grad_;
  bool h_grad_is_zero_;  // and not written

  HeldFrames h0_, c0_;  // none for zeros

  std::optional<StepFrames> output_grad_;
  HeldFrames mask_;
  std::optional<ZoneoutFrames> zoneout_h_, zoneout_c_;
  Buffer h_total_, h_kept_, c_kept_;

  // Steps whose gates are there at once, and how many go into one pass over the weights' gradients.
  int64_t segment_steps_, chunk_steps_;
  std::optional<StepFrames> x_, h_;
  Buffer masked_h_, delta_buffer_;
  Frames chunk_deltas_, chunk_x_, chunk_h_;
  MutableFrames chunk_x_grad_;

  std::optional<ConvLstmSteps> steps_;
  Buffer segment_gates_, segment_c_, segment_h_, zeros_;
};

}  // namespace

void ConvLstmBackward(const ConvLstmShape& shape, const ConvLstmBackwardInputs& inputs,
                      Precision precision, const ConvLstmGradients& gradients, ThreadPool& pool) {
  Backward(shape, inputs, precision, gradients, pool).Run();
}

}  // namespace convlstm::cpu
