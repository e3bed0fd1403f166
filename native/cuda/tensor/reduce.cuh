#ifndef CONVLSTM_CUDA_TENSOR_REDUCE_CUH_
#define CONVLSTM_CUDA_TENSOR_REDUCE_CUH_

#include <cmath>

#include "cuda/instructions/ptx.cuh"
#include "cuda/tensor/strides.h"
#include "ops/reduce.h"

namespace convlstm::cuda {

constexpr int kReduceThreads = 256;

__device__ __forceinline__ double Combine(bool max, double a, double b) {
  if (!max) return a + b;
  return a > b || a != a ? a : b;
}

// Combines the values of all threads of the block, in a fixed order. The result is thread 0's.
__device__ __forceinline__ double CombineBlock(bool max, double value) {
  CONVLSTM_SHARED_MEMORY(memory);
  auto* warps = reinterpret_cast<double*>(memory);
  for (int mask = 16; mask > 0; mask /= 2) value = Combine(max, value, ShuffleXor(value, mask));
  const int tid = static_cast<int>(threadIdx.x);
  if (tid % 32 == 0) warps[tid / 32] = value;
  __syncthreads();
  for (int k = 1; k < kReduceThreads / 32; ++k) value = Combine(max, value, warps[k]);
  return value;
}

// partial[output][slice] = reduction of a slice of the elements of an output. Grid: (slices,
// outputs), striding over outputs.
__global__ void __launch_bounds__(kReduceThreads)
    ReducePart(bool max, const float* x, Strides outputs, Strides reduced, int64_t output_count,
               int64_t count, double* partial) {
  const int64_t slices = gridDim.x;
  const int64_t length = (count + slices - 1) / slices, begin = blockIdx.x * length;
  const int64_t end = begin + length < count ? begin + length : count;
  for (int64_t output = blockIdx.y; output < output_count; output += gridDim.y) {
    const float* from = x + outputs.OffsetOf(output);
    double value = max ? -INFINITY : 0.0;
    for (int64_t k = begin + threadIdx.x; k < end; k += kReduceThreads) {
      value = Combine(max, value, from[reduced.OffsetOf(k)]);
    }
    value = CombineBlock(max, value);
    if (threadIdx.x == 0) partial[output * slices + blockIdx.x] = value;
    __syncthreads();
  }
}

// out[output] = reduction of its slices, divided by `divisor`.
__global__ void ReduceSlices(bool max, const double* partial, int64_t slices, double divisor,
                             float* out, int64_t output_count) {
  ForStrided(output_count, [&](int64_t output) {
    double value = max ? -INFINITY : 0.0;
    for (int64_t k = 0; k < slices; ++k) value = Combine(max, value, partial[output * slices + k]);
    out[output] = static_cast<float>(value / divisor);
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_REDUCE_CUH_
