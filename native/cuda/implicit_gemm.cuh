// The main loop of every convolution: a block's rows times its columns, accumulated in registers.
#ifndef CONVLSTM_CUDA_IMPLICIT_GEMM_CUH_
#define CONVLSTM_CUDA_IMPLICIT_GEMM_CUH_

#include "cuda/chunk_product.cuh"
#include "cuda/pipeline.cuh"
#include "cuda/wgmma_product.cuh"

namespace convlstm::cuda {

// Adds the block's products to `sums`.
template <class T>
__device__ __forceinline__ void Accumulate(ChunkLoader<T>& loader, int chunks,
                                           const uint32_t* shared, Accumulators<T>& sums) {
  const auto load = [&](int stage) { loader.Load(stage); };
  if constexpr (T::kWgmma) {
#if CONVLSTM_CUDA_WGMMA
    // Behind a barrier the products of the chunk before may still be at work, those before it not.
    WgmmaProduct<T> product;
    RunPipeline<T::kStages, T::kStages - 2>(chunks, load, [&](int stage) {
      loader.WaitForWeights(stage);
      const uint32_t* const activations = shared + stage * T::kStageWords;
      product.Run(activations, activations + T::kActivationWords, sums);
    });
    product.Finish(sums);
#endif
  } else {
    RunPipeline<T::kStages, T::kStages - 1>(chunks, load, [&](int stage) {
      const uint32_t* const activations = shared + stage * T::kStageWords;
      ChunkProduct<T>::Run(activations, activations + T::kActivationWords, sums);
    });
  }
}

// The lane's columns of a block's: those of this block of 64.
template <class T>
__device__ __forceinline__ int ColumnBlock() {
  const int warp = static_cast<int>(threadIdx.x) >> 5;
  return static_cast<int>(blockIdx.y) * T::kWarpsN + warp / T::kWarpsM;
}

// visit(i, half, row) for the rows that the lane has sums of, in sums[i][...][half * 2 + ...].
template <class T, typename Visitor>
__device__ __forceinline__ void ForLaneRows(const Visitor& visit) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int first =
      static_cast<int>(blockIdx.x) * T::kRows + warp % T::kWarpsM * (16 * T::kRowTiles) + lane / 4;
#pragma unroll
  for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      visit(i, half, first + i * 16 + half * 8);
    }
  }
}

// Left to itself, ptxas 13.0 holds kernels to 96 or 128 registers, for more blocks than shared
// memory lets in, and spills. An H100 has room for three blocks of the medium tile, 64 KiB each:
// 168 registers. The large tile takes up to 242.
template <class T>
constexpr int kLeastBlocks = T::kThreads > 128 ? 1 : 3;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_IMPLICIT_GEMM_CUH_
