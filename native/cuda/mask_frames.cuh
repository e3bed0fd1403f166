#ifndef CONVLSTM_CUDA_MASK_FRAMES_CUH_
#define CONVLSTM_CUDA_MASK_FRAMES_CUH_

#include "cuda/strides.h"

namespace convlstm::cuda {

// out[step][k] = h[step][k] . mask[k], where an image of `frame` elements of h follows the one
// before after image_stride. 12 bytes for each product: memory is the limit.
__global__ void MaskFrames(const float* h, int64_t step_stride, int64_t image_stride, int64_t frame,
                           const float* mask, int64_t state, float* out, int64_t count) {
  ForStrided(count, [&](int64_t index) {
    const int64_t step = index / state, k = index % state;
    out[index] = h[step * step_stride + k / frame * image_stride + k % frame] * mask[k];
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_MASK_FRAMES_CUH_
