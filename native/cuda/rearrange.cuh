#ifndef CONVLSTM_CUDA_REARRANGE_CUH_
#define CONVLSTM_CUDA_REARRANGE_CUH_

#include "cuda/strides.h"

namespace convlstm::cuda {

// The k-th place of `to` gets the k-th of `from`.
__global__ void MoveElements(const float* in, Strides from, float* out, Strides to, int64_t count) {
  ForStrided(count, [&](int64_t k) { out[to.OffsetOf(k)] = in[from.OffsetOf(k)]; });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_REARRANGE_CUH_
