// The steps of a layer one by one: what a sequence takes that is trained, masked or zoned out, and
// what the backward pass takes to compute steps again.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEPS_H_
#define CONVLSTM_CUDA_CONV_LSTM_STEPS_H_

#include <cstdint>
#include <memory>

#include "core/precision.h"
#include "cuda/device.h"
#include "cuda/layout.h"
#include "cuda/step_kernels.h"
#include "ops/conv_lstm.h"

namespace convlstm::cuda {

// A layer's step, all but where its frames lie.
struct StepPlan {
  std::shared_ptr<const void> layer;  // has the packed weights
  Math math;                          // of the backward pass
  StepKernel kernel;
  dim3 grid;
  StepArguments arguments;
};
// Throws Error(kShape) for more pixels than the kernels can count.
StepPlan PlanStep(Device& device, const ConvLstmShape& shape, const ConvLstmInputs& inputs,
                  Precision precision);

// Frames of one step, an image every `stride` pixels; no data stands for zeros.
struct Frames {
  const float* data = nullptr;
  int stride = 0;
};

// The elements of a storage as channels-last frames, which stay where they are even if the storage
// is converted again for another operand of the same call. `storage` may be null.
class HeldFrames {
 public:
  HeldFrames() = default;
  HeldFrames(Device& device, const StoragePtr& storage, const ChannelsLast& layout) {
    if (storage == nullptr) return;
    data_ = ToFrames(device, *storage, layout, converted_);
    held_ = storage->buffer();
  }
  const float* data() const { return data_; }

 private:
  const float* data_ = nullptr;
  Buffer converted_;
  std::shared_ptr<const Buffer> held_;
};

// Zoneout of one of the states.
class Zoneout {
 public:
  Zoneout(Device& device, const ConvLstmShape& shape, const StoragePtr& storage)
      : one_(storage != nullptr && storage->elements() == 1),
        frame_(shape.hidden_dim * shape.pixels()),
        frames_(device, storage,
                one_ ? ChannelsLast{1, 1, 1}
                     : ChannelsLast{shape.batch * shape.time, shape.hidden_dim, shape.pixels()}) {}

  bool one_for_all() const { return one_; }
  // Of step t, laid out as that of the output; null where there is none.
  const float* At(const ConvLstmShape& shape, int64_t t) const {
    if (frames_.data() == nullptr || one_) return frames_.data();
    return frames_.data() + shape.frame(0, t) * frame_;
  }

 private:
  bool one_;
  int64_t frame_;
  HeldFrames frames_;
};

// Pixels from one image of a step to the next in a sequence that lies as x and output do.
inline int ImageStride(const ConvLstmShape& s) {
  return static_cast<int>(s.frame(s.batch > 1 ? 1 : 0, 0) * s.pixels());
}

// out = h . mask for `steps` steps, h_step_stride elements apart; `out` is [step][image][pixel].
void LaunchMask(Device& device, const ConvLstmShape& shape, const Frames& h, int64_t h_step_stride,
                const float* mask, int64_t steps, float* out);

class ConvLstmSteps {
 public:
  ConvLstmSteps(Device& device, const ConvLstmShape& shape, const ConvLstmInputs& inputs,
                Precision precision);

  // c may be c_in; gates null where they are not wanted. c, c_in and gates are [image][pixel].
  struct Step {
    Frames h_in;
    const float* c_in;  // null: zeros
    float* h;           // an image every h_stride pixels
    int h_stride;
    float* c;
    float* gates;
  };
  void Run(int64_t t, const Step& step);

 private:
  Device& device_;
  const ConvLstmShape& shape_;
  const StepPlan plan_;
  const HeldFrames x_, mask_;
  const Zoneout zoneout_h_, zoneout_c_;
  Buffer masked_h_;
};

// As ConvLstm of cuda/operations.h.
void ConvLstmByStep(Device& device, const ConvLstmShape& shape, const ConvLstmInputs& inputs,
                    Precision precision, const ConvLstmOutputs& outputs);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEPS_H_
