// Main loop of every convolution: a block's tile of rows times columns, accumulated in registers.
#ifndef CONVLSTM_CUDA_GEMM_IMPLICIT_GEMM_CUH_
#define CONVLSTM_CUDA_GEMM_IMPLICIT_GEMM_CUH_

#include "cuda/gemm/chunk_product.cuh"
#include "cuda/gemm/patch_product.cuh"
#include "cuda/gemm/pipeline.cuh"

namespace convlstm::cuda {

// Adds the products of both sources to `sums`, which initialize() sets. `packed_chunks` is the
// depth of the packed weights, in chunks.
template <class T, typename Initialize>
__device__ __forceinline__ void Accumulate(const ConvGeometry& geometry, const ConvSource& first,
                                           const ConvSource& second, const uint4* weights,
                                           int packed_chunks, uint32_t* shared,
                                           const Initialize& initialize, Accumulators<T>& sums) {
  const int chunks = first.chunks + second.chunks;
  if constexpr (T::kWgmma) {
#if CONVLSTM_CUDA_WGMMA
    PatchProduct<T> product(geometry, weights, packed_chunks, chunks, shared);
    initialize();
    product.Add(first, sums);
    product.Add(second, sums);
#endif
  } else {
    ChunkLoader<T> loader(geometry, first, second, weights, packed_chunks);
    RunPipeline<T::kStages, T::kStageWords>(
        chunks, shared, [&](uint32_t* to) { loader.Load(to); }, initialize,
        [&](const uint32_t* from) {
          ChunkProduct<T>::Run(from, from + T::kActivationWords, sums);
        });
  }
}

// Which block of kColumns columns a warp's tile covers.
template <class T>
__device__ __forceinline__ int ColumnBlock(int tile) {
  const int first = static_cast<int>(blockIdx.y) * T::kColumnBlocks;
  if constexpr (T::kWgmma) return first + tile;
  return first + (static_cast<int>(threadIdx.x) >> 5) / T::kWarpsM;
}

// Calls visit(i, half, row) for each row of the lane's accumulators, sums[i][...][half * 2 + ...].
// Rows outside the image are rows() or more.
template <class T, typename Visitor>
__device__ __forceinline__ void ForLaneRows(const ConvGeometry& g, const Visitor& visit) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  if constexpr (T::kWgmma) {
    const TileOrigin origin = OriginOf<T>(g);
    const int x = origin.x + lane / 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int y = origin.y + warp * 2 + half;
      const bool inside = y < g.out_height && x < g.out_width;
      const int row = inside ? origin.image * g.out_pixels() + y * g.out_width + x : g.rows();
#pragma unroll
      for (int i = 0; i < T::kTiles; ++i) visit(i, half, row);
    }
  } else {
    const int first = static_cast<int>(blockIdx.x) * T::kRows +
                      warp % T::kWarpsM * (16 * T::kRowTiles) + lane / 4;
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) visit(i, half, first + i * 16 + half * 8);
    }
  }
}

// Minimum blocks per multiprocessor, for __launch_bounds__. Without it ptxas 13.0 limits kernels to
// 96 or 128 registers, for more blocks than shared memory allows, and spills. An H100 holds three
// blocks of the medium tile, 64 KiB and 168 registers each. The large tile takes up to 242
// registers, with wgmma half as many, so that two blocks fit.
template <class T>
constexpr int kMinBlocks = T::kThreads <= 128 ? 3
                           : T::kWgmma        ? 2
                                              : 1;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_IMPLICIT_GEMM_CUH_
