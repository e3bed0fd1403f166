// The steps of one layer, with all that goes on around the kernel: packing, layouts of x, recurrent
// mask and zoneout.
#ifndef CONVLSTM_CPU_CONV_LSTM_STEPS_H_
#define CONVLSTM_CPU_CONV_LSTM_STEPS_H_

#include <memory>
#include <optional>
#include <vector>

#include "cpu/conv_lstm/kernel.h"
#include "cpu/frames/frames.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Zoneout of one of the states, step by step.
class ZoneoutFrames {
 public:
  ZoneoutFrames(const ConvLstmShape& shape, Storage& storage, ThreadPool& pool);

  bool one_for_all() const { return !frames_; }
  void Step(int64_t t) {
    if (frames_) frames_->Get(t, pointers_.data());
  }
  // Sequence b's frame at the step asked for last, one value when one_for_all.
  const float* frame(int64_t b) const { return pointers_[b]; }

 private:
  std::optional<StepFrames> frames_;
  std::shared_ptr<const Buffer> held_;
  std::vector<const float*> pointers_;
};

// One step: channels-last frames [batch] of hidden_dim channels.
struct ConvLstmStepFrames {
  const float* const* h_in;  // null for zeros
  const float* const* c_in;  // may be c
  float* const* h;
  float* const* c;
  const GatePointer* gates;         // [batch] frames of all gates; null: not saved
  const float* const* x = nullptr;  // [batch] frames of input_dim channels; null: inputs.x
};

class ConvLstmSteps {
 public:
  // `inputs.x` may be null where every step is given its x. keep_packed: packed weights stay with
  // inputs.weight for the next call.
  ConvLstmSteps(const ConvLstmShape& shape, const ConvLstmInputs& inputs, Precision precision,
                bool keep_packed, ThreadPool& pool);
  void Run(int64_t t, const ConvLstmStepFrames& frames);

 private:
  const ConvLstmShape& shape_;
  ThreadPool& pool_;
  const int64_t frame_elements_;
  const ConvLstmKernel* kernel_;
  std::shared_ptr<const PackedWeights> packed_;
  std::optional<StepFrames> x_;
  HeldFrames mask_;
  Buffer masked_h_;  // with mask_
  std::optional<ZoneoutFrames> zoneout_h_, zoneout_c_;
  Buffer old_c_;  // with zoneout_c_
  std::vector<const float*> x_frames_, h_frames_, c_frames_;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_STEPS_H_
