// The loop over time.
#include "cpu/conv_lstm/sequence.h"

#include <algorithm>
#include <deque>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/lstm_cell.h"
#include "cpu/conv_lstm/steps.h"
#include "cpu/frames/frames.h"
#include "cpu/simd/bfloat16.h"

namespace convlstm::cpu {
namespace {

// Steps that a layer takes before the layer above follows. The weights of all layers, 28 MiB in W3,
// pass through the caches once for as many steps: with one step at a time W3 takes 8% longer, with
// seven no less than with two.
constexpr int64_t kStepsAtOnce = 2;

// A layer between its first step and its last.
class RunningLayer {
 public:
  // Training changes the weights before they are used again: packed weights that are kept would
  // only add to the memory of what is saved.
  RunningLayer(const ConvLstmLayer& layer, ThreadPool& pool)
      : shape_(layer.shape),
        outputs_(layer.outputs),
        pool_(pool),
        state_(shape_.batch * shape_.hidden_dim * shape_.pixels()),
        h0_(ConvertToFrames(layer.inputs.h0, StateLayout(), pool)),
        c0_(ConvertToFrames(layer.inputs.c0, StateLayout(), pool)),
        steps_(shape_, layer.inputs, layer.precision, outputs_.saved == nullptr, pool),
        c_(outputs_.c->AllocateChannelsLast(StateLayout())),
        saved_(shape_, outputs_.save_every,
               outputs_.saved == nullptr ? nullptr : outputs_.saved->Allocate(),
               outputs_.saved_format),
        x_of_next_(shape_.batch),
        h_in_(shape_.batch),
        c_in_(shape_.batch),
        h_out_(shape_.batch),
        c_out_(shape_.batch),
        gates_(shape_.batch) {
    if (outputs_.output != nullptr) {
      output_ = outputs_.output->AllocateChannelsLast(
          {shape_.batch * shape_.time, shape_.hidden_dim, shape_.pixels()});
    } else {
      last_h_ = outputs_.h->AllocateChannelsLast(StateLayout());
      between_ = Buffer::AllocateArray<float>(std::min(kStepsAtOnce, shape_.time - 1) * state_);
    }
    if (c0_.data() == nullptr) FillZeros(c_, state_, pool);
  }

  // `x` is null for the first layer, which has its own.
  void Run(int64_t t, const float* const* x) {
    const float* const c_before = t > 0 ? C(t - 1) : c0_.data() != nullptr ? c0_.data() : c_;
    float* const c_after = C(t);
    for (int64_t b = 0; b < shape_.batch; ++b) {
      const int64_t offset = b * FrameElements();
      h_out_[b] = Frame(b, t);
      c_out_[b] = c_after + offset;
      c_in_[b] = c_before + offset;
      if (t > 0) {
        h_in_[b] = Frame(b, t - 1);
      } else if (h0_.data() != nullptr) {
        h_in_[b] = h0_.data() + offset;
      }
      if (saved_.has_gates()) {
        gates_[b] = GatePointer(saved_.gates(t), outputs_.saved_format) + LstmCell::kGates * offset;
      }
    }
    const bool h_is_zero = t == 0 && h0_.data() == nullptr;
    steps_.Run(t, {h_is_zero ? nullptr : h_in_.data(), c_in_.data(), h_out_.data(), c_out_.data(),
                   saved_.has_gates() ? gates_.data() : nullptr, x});
    if (uint16_t* const kept = saved_.c_bfloat16(t)) ToBfloat16(c_, kept, state_, pool_);
  }

  // h of step t, one of the last kStepsAtOnce, for the layer above.
  const float* const* Output(int64_t t) {
    for (int64_t b = 0; b < shape_.batch; ++b) x_of_next_[b] = Frame(b, t);
    return x_of_next_.data();
  }

  void Finish() {
    if (output_ == nullptr) return;
    if (shape_.time == 1) {
      outputs_.h->ShareElements(*outputs_.output);
      return;
    }
    float* h = outputs_.h->AllocateChannelsLast(StateLayout());
    for (int64_t b = 0; b < shape_.batch; ++b) {
      CopyElements(Frame(b, shape_.time - 1), h + b * FrameElements(), FrameElements(), pool_);
    }
  }

 private:
  ChannelsLast StateLayout() const { return {shape_.batch, shape_.hidden_dim, shape_.pixels()}; }
  int64_t FrameElements() const { return state_ / shape_.batch; }

  // h of a step. Without an output of the whole sequence, kStepsAtOnce + 1 buffers in turn, the
  // last step's being the final h.
  float* Frame(int64_t b, int64_t t) const {
    if (output_ != nullptr) return output_ + shape_.frame(b, t) * FrameElements();
    const int64_t buffer = (shape_.time - 1 - t) % (kStepsAtOnce + 1);
    float* const frames = buffer == 0 ? last_h_ : between_.as<float>() + (buffer - 1) * state_;
    return frames + b * FrameElements();
  }

  // c after step t: where it is saved, else updated in place.
  float* C(int64_t t) const { return saved_.c(t) == nullptr ? c_ : saved_.c(t); }

  const ConvLstmShape& shape_;
  const ConvLstmOutputs& outputs_;
  ThreadPool& pool_;
  const int64_t state_;  // elements of h of all sequences
  // Held before other inputs are converted, which may be the same storage.
  const HeldFrames h0_, c0_;
  ConvLstmSteps steps_;
  float* const c_;
  const SavedFrames saved_;
  float* output_ = nullptr;
  float* last_h_ = nullptr;
  Buffer between_;
  std::vector<const float*> x_of_next_, h_in_, c_in_;
  std::vector<float*> h_out_, c_out_;
  std::vector<GatePointer> gates_;
};

void RunLayers(ThreadPool& pool, std::span<const ConvLstmLayer> layers) {
  std::deque<RunningLayer> running;
  for (const ConvLstmLayer& layer : layers) running.emplace_back(layer, pool);
  const int64_t time = layers.front().shape.time;
  for (int64_t begin = 0; begin < time; begin += kStepsAtOnce) {
    const int64_t end = std::min(begin + kStepsAtOnce, time);
    for (size_t l = 0; l < running.size(); ++l) {
      for (int64_t t = begin; t < end; ++t) {
        running[l].Run(t, l == 0 ? nullptr : running[l - 1].Output(t));
      }
    }
  }
  for (RunningLayer& layer : running) layer.Finish();
}

}  // namespace

void Run(ThreadPool& pool, const ConvLstm& op) {
  const ConvLstmLayer& layer = op;
  RunLayers(pool, {&layer, 1});
}
void Run(ThreadPool& pool, const ConvLstmStack& op) { RunLayers(pool, op.layers); }

}  // namespace convlstm::cpu
