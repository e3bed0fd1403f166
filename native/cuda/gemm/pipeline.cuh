#ifndef CONVLSTM_CUDA_GEMM_PIPELINE_CUH_
#define CONVLSTM_CUDA_GEMM_PIPELINE_CUH_

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// The stages of a pipeline, one after the other and again from the first.
template <int kStages, int kStageWords>
struct StageRing {
  uint32_t* at;  // words of shared memory
  int stage;

  __device__ __forceinline__ void Next() {
    const bool last = stage == kStages - 1;
    at += last ? -(kStages - 1) * kStageWords : kStageWords;
    stage = last ? 0 : stage + 1;
  }
};

// For every chunk load(to), asynchronous copies, kStages - 1 chunks before multiply(from). One
// barrier a chunk: behind it every warp has multiplied the chunk before, and it is the place of
// that one that the next copies take. What begin() reads comes beside the first chunks.
//
// What a chunk needs beside its products is issued by the same warps: the count goes down and the
// stages' places move on, because what can be computed from a kernel's parameters ptxas 13.0 does
// compute again for every chunk, and waits for it.
template <int kStages, int kStageWords, typename Load, typename Begin, typename Multiply>
__device__ __forceinline__ void RunPipeline(int chunks, uint32_t* shared, const Load& load,
                                            const Begin& begin, const Multiply& multiply) {
  StageRing<kStages, kStageWords> next = {shared, 0}, current = {shared, 0};
#pragma unroll 1
  for (int chunk = 0; chunk < kStages - 1; ++chunk) {
    if (chunk < chunks) load(next.at);
    CommitCopies();
    next.Next();
  }
  begin();
#pragma unroll 1
  for (int left = chunks; left > 0; --left) {
    WaitForCopies<kStages - 2>();
    __syncthreads();
    if (left >= kStages) load(next.at);
    CommitCopies();
    multiply(current.at);
    next.Next();
    current.Next();
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_PIPELINE_CUH_
