#ifndef CONVLSTM_CUDA_TENSOR_LAYOUT_CUH_
#define CONVLSTM_CUDA_TENSOR_LAYOUT_CUH_

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

constexpr int kTransposeTile = 32, kTransposeThreads = 256;

// out[frame][column][row] = in[frame][row][column]. Grid: (column tiles, row tiles, frames); a grid
// smaller than the data strides over it. Tile rows are padded by one word against bank conflicts.
__global__ void __launch_bounds__(kTransposeThreads)
    TransposeFrames(const float* in, float* out, int64_t frames, int64_t rows, int64_t columns) {
  CONVLSTM_SHARED_MEMORY(memory);
  auto* tile = reinterpret_cast<float*>(memory);  // [kTransposeTile][kTransposeTile + 1]
  constexpr int kPitch = kTransposeTile + 1, kStep = kTransposeThreads / kTransposeTile;
  const int x = static_cast<int>(threadIdx.x) % kTransposeTile;
  const int y = static_cast<int>(threadIdx.x) / kTransposeTile;
  const int64_t first_column = static_cast<int64_t>(blockIdx.x) * kTransposeTile;
  for (int64_t frame = blockIdx.z; frame < frames; frame += gridDim.z) {
    for (int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTransposeTile; first_row < rows;
         first_row += static_cast<int64_t>(gridDim.y) * kTransposeTile) {
      const int64_t frame_begin = frame * rows * columns;
      for (int k = y; k < kTransposeTile; k += kStep) {
        const int64_t row = first_row + k, column = first_column + x;
        if (row < rows && column < columns) {
          tile[k * kPitch + x] = in[frame_begin + row * columns + column];
        }
      }
      __syncthreads();
      for (int k = y; k < kTransposeTile; k += kStep) {
        const int64_t row = first_row + x, column = first_column + k;
        if (row < rows && column < columns) {
          out[frame_begin + column * rows + row] = tile[x * kPitch + k];
        }
      }
      __syncthreads();
    }
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_LAYOUT_CUH_
