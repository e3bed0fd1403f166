#ifndef CONVLSTM_CUDA_GEMM_PACKED_WEIGHTS_H_
#define CONVLSTM_CUDA_GEMM_PACKED_WEIGHTS_H_

#include "cuda/device/device.h"
#include "cuda/gemm/pack_weights.cuh"

namespace convlstm::cuda {

// Of `weight`, row-major on the device, for tiles of any width. `p` says all but packed and words.
Buffer LaunchPack(Device& device, Math math, PackArguments p);

// The columns that LaunchPack makes of so many channels of the result.
inline int PackedColumns(const PackArguments& p) {
  constexpr int kWidest = 2 * kColumns;
  const int columns =
      p.gates > 0 ? DivideUp(p.channels, WarpChannels(p.gates)) * kColumns : p.channels;
  return DivideUp(columns, kWidest) * kWidest;
}

// The kind of products for float32-class results.
inline Math HighestMath(const Device& device) {
  return device.has_tensor_cores() ? Math::kTf32x3 : Math::kFma;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_PACKED_WEIGHTS_H_
