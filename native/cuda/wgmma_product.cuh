// Multiplies by wgmma what chunk_loader.cuh has brought to shared memory, in bfloat16: one product,
// or three of halves. Rows come through registers, because they are rounded on the way; weights
// stay in shared memory.
//
// The tensor cores are at a chunk while the rows of the next are read and rounded: its products are
// waited for just before those of the next begin. For that rows are held twice, 16 registers more
// with one product and two row tiles, 32 with three, and the place of a chunk is free one chunk
// later than otherwise (implicit_gemm.cuh).
#ifndef CONVLSTM_CUDA_WGMMA_PRODUCT_CUH_
#define CONVLSTM_CUDA_WGMMA_PRODUCT_CUH_

#include "cuda/chunk_product.cuh"

#if CONVLSTM_CUDA_WGMMA
namespace convlstm::cuda {

template <class T>
class WgmmaProduct {
 public:
  // Begins a chunk, and ends the one before.
  __device__ __forceinline__ void Run(const uint32_t* activations, const uint32_t* weights,
                                      Accumulators<T>& sums) {
    static_assert(T::kWarpsM == 4 && kColumns == 64, "a warpgroup has 64 columns");
    const int warp = static_cast<int>(threadIdx.x) >> 5;
    activations += warp % T::kWarpsM * (16 * T::kRowTiles) * kDepth;
    weights += warp / T::kWarpsM * ChunkWords(T::kMath);
    Rows next;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      float4 rows[T::kRowTiles][2];
      ChunkProduct<T>::ReadRows(activations, step, rows);
      if constexpr (kParts == 1) {
        ChunkProduct<T>::RoundRows(rows, next.parts[step][0]);
      } else {
        ChunkProduct<T>::SplitRows(rows, next.parts[step][0], next.parts[step][1]);
      }
    }
    Finish(sums);
    rows_ = next;
    ForRows([](uint32_t(&rows)[4]) { ReadyForWgmma(rows); });
    BeginWgmma();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const auto multiply = [&](int rows_part, int weights_part) {
#pragma unroll
        for (int i = 0; i < T::kRowTiles; ++i) {
          WgmmaBf16(sums[i], rows_.parts[step][rows_part][i],
                    weights + (weights_part * kSteps + step) * kStepWords);
        }
      };
      if constexpr (kParts == 2) {
        multiply(1, 0);
        multiply(0, 1);
      }
      multiply(0, 0);
    }
    CommitWgmma();
  }

  // Ends the last chunk.
  __device__ __forceinline__ void Finish(Accumulators<T>& sums) {
    FinishWgmma();
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) TakeFromWgmma(sums[i]);
    ForRows([](uint32_t(&rows)[4]) { HoldForWgmma(rows); });
  }

 private:
  static constexpr int kSteps = kDepth / 16;
  static constexpr int kParts = T::kMath == Math::kBf16x3Wgmma ? 2 : 1;
  static constexpr int kStepWords = ChunkWords(T::kMath) / (kSteps * kParts);

  struct Rows {
    uint32_t parts[kSteps][kParts][T::kRowTiles][4];  // high, low
  };
  template <typename Visitor>
  __device__ __forceinline__ void ForRows(const Visitor& visit) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
#pragma unroll
        for (int i = 0; i < T::kRowTiles; ++i) visit(rows_.parts[step][part][i]);
      }
    }
  }
  Rows rows_ = {};
};

}  // namespace convlstm::cuda
#endif  // CONVLSTM_CUDA_WGMMA

#endif  // CONVLSTM_CUDA_WGMMA_PRODUCT_CUH_
