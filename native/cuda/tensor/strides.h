// Strided views of tensors, traversed in row-major order.
#ifndef CONVLSTM_CUDA_TENSOR_STRIDES_H_
#define CONVLSTM_CUDA_TENSOR_STRIDES_H_

#include <cstdint>

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// Sizes and strides of a view, in elements.
struct Strides {
  static constexpr int kMaxRank = 8;
  int rank = 0;
  int64_t size[kMaxRank];
  int64_t stride[kMaxRank];
  int64_t first = 0;

  // Appends an axis; merges it with the previous one if the two are contiguous, to save divisions.
  __host__ __device__ void Add(int64_t dim_size, int64_t dim_stride) {
    if (dim_size == 1) return;
    if (rank > 0 && stride[rank - 1] == dim_size * dim_stride) {
      size[rank - 1] *= dim_size;
      stride[rank - 1] = dim_stride;
      return;
    }
    size[rank] = dim_size;
    stride[rank++] = dim_stride;
  }
  __host__ __device__ int64_t elements() const {
    int64_t count = 1;
    for (int axis = 0; axis < rank; ++axis) count *= size[axis];
    return count;
  }
  // Offset of the index-th element in row-major order.
  __device__ int64_t OffsetOf(int64_t index) const {
    int64_t offset = first;
#pragma unroll
    for (int axis = kMaxRank - 1; axis >= 0; --axis) {
      if (axis >= rank) continue;
      offset += index % size[axis] * stride[axis];
      index /= size[axis];
    }
    return offset;
  }
};

// Calls visit(k) for this thread's share of [0, count).
template <typename Visitor>
__device__ __forceinline__ void ForStrided(int64_t count, const Visitor& visit) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; k < count;
       k += step) {
    visit(k);
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_STRIDES_H_
