// The compiled tile shapes and the choice among them.
#ifndef CONVLSTM_CUDA_GEMM_TILES_H_
#define CONVLSTM_CUDA_GEMM_TILES_H_

#include "cuda/device/tuning.h"
#include "cuda/gemm/implicit_gemm.cuh"

namespace convlstm::cuda {

// Pipeline stages. Two of the large tile fill the 64 KiB of sm_75, three the 96 KiB of sm_86, 89
// and 120. With wgmma a stage holds weights only, and one of the four belongs to products in
// flight.
constexpr int Stages(Math math, int with_tensor_cores) {
  return math == Math::kFma ? 2 : IsWgmma(math) ? 4 : with_tensor_cores;
}

template <Math kMath>  // 128 x 128
using LargeTile = std::conditional_t<IsWgmma(kMath), Tile<kMath, 8, 1, 2, Stages(kMath, 3)>,
                                     Tile<kMath, 4, 2, 2, Stages(kMath, 3)>>;
template <Math kMath>
using MediumTile = Tile<kMath, 4, 1, 1, Stages(kMath, 4)>;  // 64 x 64
template <Math kMath>
using SmallTile = Tile<kMath, 2, 1, 1, Stages(kMath, 4)>;  // 32 x 64

constexpr int kMaxTileRows =
    LargeTile<Math::kFma>::kRows;  // the last tile may exceed the rows by as many

// A kernel and the shape of its tile.
template <class Arguments>
struct GemmKernel {
  void (*kernel)(Arguments);
  Math math;
  int rows, columns, threads, shared_bytes;

  int row_blocks(const ConvGeometry& g) const { return RowBlocks(g, rows, math); }
};
template <class T, class Arguments>
GemmKernel<Arguments> KernelOf(void (*kernel)(Arguments)) {
  return {kernel, T::kMath, T::kRows, T::kBlockColumns, T::kThreads, T::kSharedBytes};
}

// The largest tile with at least one block per multiprocessor. kMedium reads each weight once for
// 64 rows and kLarge for 128, but a step of W1 (4096 rows, 256 columns) is 64 large or 256 medium
// tiles for the 132 multiprocessors of an H100.
inline TileSize ChooseTile(int rows, int columns, int multiprocessors) {
  const auto blocks = [&](int tile_rows, int tile_columns) {
    return static_cast<int64_t>(DivideUp(rows, tile_rows)) * DivideUp(columns, tile_columns);
  };
  if (columns % 128 == 0 && blocks(128, 128) >= multiprocessors) return TileSize::kLarge;
  return blocks(64, 64) >= multiprocessors ? TileSize::kMedium : TileSize::kSmall;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_TILES_H_
