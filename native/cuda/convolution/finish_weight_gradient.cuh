#ifndef CONVLSTM_CUDA_CONVOLUTION_FINISH_WEIGHT_GRADIENT_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_FINISH_WEIGHT_GRADIENT_CUH_

#include "cuda/tensor/strides.h"

namespace convlstm::cuda {

// What weight_gradient.cuh leaves of every slice becomes the gradient:
// weight[column][channel][tap] = the sum of partial[slice][(tap, channel)][column].
struct FinishArguments {
  const float* partial;
  int slices;
  int64_t slice_stride;
  int columns, column_stride;  // of them and in partial
  int channels, taps;
  float* weight;
  int64_t weight_stride;  // from one channel of the result to the next
};
__global__ void FinishWeightGradient(const FinishArguments p) {
  ForStrided(static_cast<int64_t>(p.channels) * p.taps * p.columns, [&](int64_t index) {
    const int64_t row = index / p.columns, column = index % p.columns;
    double sum = 0;
    for (int slice = 0; slice < p.slices; ++slice) {
      sum += p.partial[slice * p.slice_stride + row * p.column_stride + column];
    }
    p.weight[column * p.weight_stride + row % p.channels * p.taps + row / p.channels] =
        static_cast<float>(sum);
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_FINISH_WEIGHT_GRADIENT_CUH_
