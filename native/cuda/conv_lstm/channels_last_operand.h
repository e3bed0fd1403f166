#ifndef CONVLSTM_CUDA_CONV_LSTM_CHANNELS_LAST_OPERAND_H_
#define CONVLSTM_CUDA_CONV_LSTM_CHANNELS_LAST_OPERAND_H_

#include <memory>

#include "cuda/device/device.h"
#include "cuda/tensor/layout.h"

namespace convlstm::cuda {

// A storage as a channels-last operand of a call. It keeps the memory alive even if the storage is
// converted to another layout for another operand of the same call. `storage` may be null.
class ChannelsLastOperand {
 public:
  ChannelsLastOperand() = default;
  ChannelsLastOperand(Device& device, const StoragePtr& storage, const ChannelsLast& layout) {
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

#endif  // CONVLSTM_CUDA_CONV_LSTM_CHANNELS_LAST_OPERAND_H_
