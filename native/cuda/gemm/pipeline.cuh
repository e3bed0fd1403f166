#ifndef CONVLSTM_CUDA_GEMM_PIPELINE_CUH_
#define CONVLSTM_CUDA_GEMM_PIPELINE_CUH_

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// A ring buffer of pipeline stages in shared memory.
template <int kStages, int kStageWords>
struct StageRing {
  uint32_t* at;  // the current stage
  int stage;

  __device__ __forceinline__ void Next() {
    const bool last = stage == kStages - 1;
    at += last ? -(kStages - 1) * kStageWords : kStageWords;
    stage = last ? 0 : stage + 1;
  }
};

// Multistage pipeline over chunks: load(to) issues a chunk's asynchronous copies kStages - 1 chunks
// ahead of multiply(from). One barrier per chunk: behind it every warp has multiplied the previous
// chunk, whose stage the next copies overwrite. initialize() overlaps with the first copies.
//
// Loop overhead competes with the products for issue slots, so the count runs down and the stage
// pointers advance: ptxas 13.0 recomputes whatever follows from kernel parameters for every chunk,
// and stalls on it.
template <int kStages, int kStageWords, typename Load, typename Initialize, typename Multiply>
__device__ __forceinline__ void RunPipeline(int chunks, uint32_t* shared, const Load& load,
                                            const Initialize& initialize,
                                            const Multiply& multiply) {
  StageRing<kStages, kStageWords> next = {shared, 0}, current = {shared, 0};
#pragma unroll 1
  for (int chunk = 0; chunk < kStages - 1; ++chunk) {
    if (chunk < chunks) load(next.at);
    CommitCopies();
    next.Next();
  }
  initialize();
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
