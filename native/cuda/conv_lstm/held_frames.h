#ifndef CONVLSTM_CUDA_CONV_LSTM_HELD_FRAMES_H_
#define CONVLSTM_CUDA_CONV_LSTM_HELD_FRAMES_H_

#include <memory>

#include "cuda/device/device.h"
#include "cuda/tensor/layout.h"

namespace convlstm::cuda {

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

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_HELD_FRAMES_H_
