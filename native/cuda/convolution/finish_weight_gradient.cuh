#ifndef CONVLSTM_CUDA_CONVOLUTION_FINISH_WEIGHT_GRADIENT_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_FINISH_WEIGHT_GRADIENT_CUH_

#include "cuda/tensor/strides.h"

namespace convlstm::cuda {

// Reduces the partial sums of weight_gradient.cuh over slices:
// weight[column][channel][tap] = sum of partial[slice][(tap, channel)][column].
struct FinishArguments {
  const float* partial;
  int slices;
  int64_t slice_stride;
  int columns, column_stride;  // output channels; their padded number in partial
  int channels, taps;
  float* weight;
  int64_t weight_stride;  // elements between output channels of weight
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
