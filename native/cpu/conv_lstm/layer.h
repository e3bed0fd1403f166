// The CPU backend's ConvLSTM: one layer over a whole sequence.
#ifndef CONVLSTM_CPU_CONV_LSTM_LAYER_H_
#define CONVLSTM_CPU_CONV_LSTM_LAYER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cpu/conv_lstm/kernel.h"
#include "cpu/frames/frames.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Zoneout of one of the states, by steps.
class ZoneoutFrames {
 public:
  ZoneoutFrames(const ConvLstmShape& shape, Storage& storage, ThreadPool& pool);

  bool one_for_all() const { return !frames_; }
  void Step(int64_t t) {
    if (frames_) frames_->Get(t, pointers_.data());
  }
  // Of sequence b at the step asked for last; one value when one_for_all.
  const float* frame(int64_t b) const { return pointers_[b]; }

 private:
  std::optional<StepFrames> frames_;
  std::shared_ptr<const Buffer> held_;
  std::vector<const float*> pointers_;
};

// One step: frames [batch] of hidden_dim channels, 4 * hidden_dim for gates.
struct ConvLstmStepFrames {
  const float* const* h_in;  // null for zeros
  const float* const* c_in;  // may be c
  float* const* h;
  float* const* c;
  const GatePointer* gates;         // null where they are not wanted
  const float* const* x = nullptr;  // frames of input_dim channels; null: those of inputs.x
};

// Runs the steps of a layer one by one, with all that goes on around the kernel. inputs.x may be
// null where every step is given its x. keep_packed: with the weights' storage, for the next time.
class ConvLstmSteps {
 public:
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

// Fills `outputs`, whose storages have the right number of elements and are not allocated yet. Runs
// on the queue's thread and on the pool's. Output and states are left channels-last. Packed weights
// are kept in weight->derived(), unless gates are saved.
void ConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs, Precision precision,
              const ConvLstmOutputs& outputs, ThreadPool& pool);

// The kernel that serves a request, from measurements (docs/benchmarks.md).
const ConvLstmKernel& ChooseConvLstmKernel(const ConvLstmRequest& request);

// Distinct choices made so far in this process, for backendInfo(). Thread-safe.
std::vector<std::string> ChosenKernels();

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_LAYER_H_
