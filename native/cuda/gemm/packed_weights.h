#ifndef CONVLSTM_CUDA_GEMM_PACKED_WEIGHTS_H_
#define CONVLSTM_CUDA_GEMM_PACKED_WEIGHTS_H_

#include "cuda/device/device.h"
#include "cuda/gemm/pack_weights.cuh"

namespace convlstm::cuda {

// Packs p.weight (row-major, in device memory) for tiles of any width, with the columns of a cell
// with kGates gates or, with kNoGates, of a convolution. Sets p.packed and p.words.
template <int kGates>
Buffer LaunchPack(Device& device, Math math, PackArguments p);

extern template Buffer LaunchPack<kNoGates>(Device&, Math, PackArguments);
extern template Buffer LaunchPack<4>(Device&, Math, PackArguments);

// Packed columns, padded to the widest tile.
template <int kGates>
int PackedColumns(int channels) {
  constexpr int kWidest = 2 * kColumns;
  int columns = channels;
  if constexpr (kGates != kNoGates) {
    columns = DivideUp(channels, WarpChannels(kGates)) * kColumns;
  }
  return DivideUp(columns, kWidest) * kWidest;
}

// The arithmetic with float32 accuracy.
inline Math HighestMath(const Device& device) {
  return device.has_tensor_cores() ? Math::kTf32x3 : Math::kFma;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_PACKED_WEIGHTS_H_
