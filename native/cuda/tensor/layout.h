// Conversion between row-major order and channels-last frames, on the device.
#ifndef CONVLSTM_CUDA_TENSOR_LAYOUT_H_
#define CONVLSTM_CUDA_TENSOR_LAYOUT_H_

#include <cstdint>

#include "core/storage.h"
#include "cuda/device/device.h"

namespace convlstm::cuda {

// out[frame][column][row] = in[frame][row][column].
void LaunchTranspose(Device& device, int64_t frames, int64_t rows, int64_t columns, const float* in,
                     float* out);

// The elements in row-major order. Converts a channels-last storage in place.
const float* RowMajor(Device& device, Storage& storage);

// The elements as channels-last frames of `layout`: the storage's own, or a copy in `buffer`.
const float* ToFrames(Device& device, Storage& storage, const ChannelsLast& layout, Buffer& buffer);

// The elements in row-major order, without changing the storage: its own, or a copy in `buffer`.
const float* ToRows(Device& device, const Storage& storage, Buffer& buffer);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_LAYOUT_H_
