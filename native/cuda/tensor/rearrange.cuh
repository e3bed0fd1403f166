#ifndef CONVLSTM_CUDA_TENSOR_REARRANGE_CUH_
#define CONVLSTM_CUDA_TENSOR_REARRANGE_CUH_

#include "cuda/tensor/strides.h"

namespace convlstm::cuda {

// Copies the k-th element of `from` to the k-th of `to`.
__global__ void MoveElements(const float* in, Strides from, float* out, Strides to, int64_t count) {
  ForStrided(count, [&](int64_t k) { out[to.OffsetOf(k)] = in[from.OffsetOf(k)]; });
}

// The axes of a slice.
struct SlicedAxes {
  struct Axis {
    int64_t size, start, step, count;
  };
  int rank = 0;
  Axis axes[Strides::kMaxRank];

  // Appends an axis; merges one that is taken whole into a previous one of step 1.
  __host__ __device__ void Add(const Axis& axis) {
    const bool whole = axis.start == 0 && axis.step == 1 && axis.count == axis.size;
    if (rank > 0 && whole && axes[rank - 1].step == 1) {
      axes[rank - 1].size *= axis.size;
      axes[rank - 1].start *= axis.size;
      axes[rank - 1].count *= axis.size;
      return;
    }
    axes[rank++] = axis;
  }
};

// out = the elements of `grad` where the slice took them, zeros elsewhere. Writes each element
// once.
__global__ void SliceBackwardElements(const float* grad, SlicedAxes sliced, float* out,
                                      int64_t count) {
  ForStrided(count, [&](int64_t k) {
    int64_t index = k, from = 0, distance = 1;
    bool taken = true;
#pragma unroll
    for (int n = Strides::kMaxRank - 1; n >= 0; --n) {
      if (n >= sliced.rank) continue;
      const SlicedAxes::Axis& axis = sliced.axes[n];
      const int64_t offset = index % axis.size - axis.start;
      index /= axis.size;
      taken = taken && offset >= 0 && offset % axis.step == 0 && offset / axis.step < axis.count;
      from += offset / axis.step * distance;
      distance *= axis.count;
    }
    out[k] = taken ? grad[from] : 0.0f;
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_REARRANGE_CUH_
