#ifndef CONVLSTM_CUDA_PIPELINE_CUH_
#define CONVLSTM_CUDA_PIPELINE_CUH_

#include "cuda/ptx.cuh"

namespace convlstm::cuda {

// For every chunk load(stage), asynchronous copies, kAhead chunks before multiply(stage). One
// barrier a chunk: behind it every warp has multiplied the chunk before, and with kAhead =
// kStages - 1 it is the place of that one that the next copies take.
template <int kStages, int kAhead, typename Load, typename Multiply>
__device__ __forceinline__ void RunPipeline(int chunks, const Load& load,
                                            const Multiply& multiply) {
  static_assert(kAhead >= 1 && kAhead < kStages);
#pragma unroll 1
  for (int chunk = 0; chunk < kAhead; ++chunk) {
    if (chunk < chunks) load(chunk);
    CommitCopies();
  }
  int stage = 0, next_stage = kAhead;
#pragma unroll 1
  for (int chunk = 0; chunk < chunks; ++chunk) {
    WaitForCopies<kAhead - 1>();
    __syncthreads();
    if (chunk + kAhead < chunks) load(next_stage);
    CommitCopies();
    multiply(stage);
    stage = stage + 1 == kStages ? 0 : stage + 1;
    next_stage = next_stage + 1 == kStages ? 0 : next_stage + 1;
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_PIPELINE_CUH_
