#ifndef CONVLSTM_CUDA_CONVOLUTION_SUM_ROWS_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_SUM_ROWS_CUH_

#include "cuda/convolution/channel_sums.cuh"
#include "cuda/tensor/strides.h"

namespace convlstm::cuda {

// Adds each slice's rows to sums[slice][channel].
__global__ void __launch_bounds__(kChannelThreads)
    SumRows(const float* rows, int64_t count, int channels, double* sums) {
  const ChannelThread thread(channels);
  float sum[1] = {};
  if (thread.active) {
    for (int64_t row = thread.first_row; row < count; row += thread.row_step) {
      sum[0] += rows[row * channels + thread.channel];
    }
  }
  AddBlockSums(thread, sum, 1, channels, sums + static_cast<int64_t>(blockIdx.x) * channels);
}

// out[k] = sum of sums[slice][k] over slices.
__global__ void AddSlices(const double* sums, int slices, int64_t slice_stride, float* out,
                          int64_t count) {
  ForStrided(count, [&](int64_t k) {
    double sum = 0;
    for (int slice = 0; slice < slices; ++slice) sum += sums[slice * slice_stride + k];
    out[k] = static_cast<float>(sum);
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_SUM_ROWS_CUH_
