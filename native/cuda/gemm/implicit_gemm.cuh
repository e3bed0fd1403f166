// The main loop of every convolution: a block's rows times its columns, accumulated in registers.
#ifndef CONVLSTM_CUDA_GEMM_IMPLICIT_GEMM_CUH_
#define CONVLSTM_CUDA_GEMM_IMPLICIT_GEMM_CUH_

#include "cuda/gemm/chunk_product.cuh"
#include "cuda/gemm/patch_product.cuh"
#include "cuda/gemm/pipeline.cuh"

namespace convlstm::cuda {

// begin() says what the sums begin with, to which the block's products of both sources are added.
// The packed weights have so many chunks.
template <class T, typename Begin>
__device__ __forceinline__ void Accumulate(const ConvGeometry& geometry, const ConvSource& first,
                                           const ConvSource& second, const uint4* weights,
                                           int packed_chunks, uint32_t* shared, const Begin& begin,
                                           Accumulators<T>& sums) {
  const int chunks = first.chunks + second.chunks;
  if constexpr (T::kWgmma) {
#if CONVLSTM_CUDA_WGMMA
    PatchProduct<T> product(geometry, weights, packed_chunks, chunks, shared);
    begin();
    product.Add(first, sums);
    product.Add(second, sums);
#endif
  } else {
    ChunkLoader<T> loader(geometry, first, second, weights, packed_chunks);
    RunPipeline<T::kStages, T::kStageWords>(
        chunks, shared, [&](uint32_t* to) { loader.Load(to); }, begin,
        [&](const uint32_t* from) {
          ChunkProduct<T>::Run(from, from + T::kActivationWords, sums);
        });
  }
}

// The columns of a warp's tile: those of this block of 64.
template <class T>
__device__ __forceinline__ int ColumnBlock(int tile) {
  const int first = static_cast<int>(blockIdx.y) * T::kColumnBlocks;
  if constexpr (T::kWgmma) return first + tile;
  return first + (static_cast<int>(threadIdx.x) >> 5) / T::kWarpsM;
}

// visit(i, half, row) for the rows that the lane has sums of, in sums[i][...][half * 2 + ...]. Rows
// that are no pixel are rows() or more.
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

// Left to itself, ptxas 13.0 holds kernels to 96 or 128 registers, for more blocks than shared
// memory lets in, and spills. An H100 has room for three blocks of the medium tile, 64 KiB each:
// 168 registers. The large tile takes up to 242, by wgmma half as many, so that two blocks fit.
template <class T>
constexpr int kLeastBlocks = T::kThreads <= 128 ? 3
                             : T::kWgmma        ? 2
                                                : 1;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_IMPLICIT_GEMM_CUH_
