#ifndef CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_CUH_

#include "cuda/conv_lstm/mask_frames.h"
#include "cuda/tensor/strides.h"

namespace convlstm::cuda {

// out[step][k] = h[step][k] * mask[k]. Memory-bound: 12 bytes per product.
__global__ void MaskFrames(const MaskArguments p) {
  const float *const h = p.h.get(), *const mask = p.mask.get();
  float *const out = p.out.get();
  ForStrided(p.count, [&](int64_t index) {
    const int64_t step = index / p.state, k = index % p.state;
    out[index] = h[step * p.step_stride + k / p.frame * p.image_stride + k % p.frame] * mask[k];
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_CUH_
