// Between row-major order and channels-last frames, on the device.
#ifndef CONVLSTM_CUDA_TENSOR_LAYOUT_H_
#define CONVLSTM_CUDA_TENSOR_LAYOUT_H_

#include <cstdint>

#include "core/storage.h"
#include "cuda/device/device.h"

namespace convlstm::cuda {

// out[frame][column][row] = in[frame][row][column].
void LaunchTranspose(Device& device, int64_t frames, int64_t rows, int64_t columns, const float* in,
                     float* out);

// The elements in row-major order; converts the storage in place when it is channels-last.
const float* RowMajor(Device& device, Storage& storage);

// The elements as channels-last frames of this geometry: as they lie, or converted into `buffer`.
const float* ToFrames(Device& device, Storage& storage, const ChannelsLast& layout, Buffer& buffer);

// The elements in row-major order without changing the storage: as they lie, or in `buffer`.
const float* ToRows(Device& device, const Storage& storage, Buffer& buffer);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_LAYOUT_H_
