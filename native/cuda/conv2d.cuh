// A convolution with any stride, padding and dilation, on the main loop of the ConvLSTM's; also the
// gradient of a convolution's input, which is one of the deltas with the taps in reverse.
//
// The tiles are the step's (tiles.h): 64 x 64 brings 16 KiB from memory for 2^18 operations with 64
// KiB of shared memory and 145 to 175 registers (sm_90), 128 x 128 brings 32 KiB for 2^20 with 96
// KiB and 166 to 239. The end reads and writes each result once, 8 bytes of a pixel by a lane.
#ifndef CONVLSTM_CUDA_CONV2D_CUH_
#define CONVLSTM_CUDA_CONV2D_CUH_

#include "cuda/implicit_gemm.cuh"

namespace convlstm::cuda {

struct Conv2dArguments {
  ConvGeometry geometry;
  ConvSource x;
  const uint4* weights;
  const float* bias;  // [channels] or null
  float* out;         // channels-last
  int channels;
  // Image i of the result begins at pixel i % inner * inner_stride + i / inner * outer_stride.
  int inner;
  int64_t inner_stride, outer_stride;
  const float* mask;  // as the result, which it is multiplied by; null: none
  bool add;           // to what is there
};

// Grid: (rows / T::kRows, columns / T::kBlockColumns).
template <class T>
__global__ void __launch_bounds__(T::kThreads, kLeastBlocks<T>)
    Convolve2d(const Conv2dArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    Accumulators<T> sums = {};
    ChunkLoader<T> loader(p.geometry, p.x, ConvSource{}, p.weights, p.x.chunks, shared);
    Accumulate<T>(loader, p.x.chunks, shared, sums);

    const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
    const int block = static_cast<int>(blockIdx.y) * T::kWarpsN + warp / T::kWarpsM;
    const int first_row = static_cast<int>(blockIdx.x) * T::kRows +
                          warp % T::kWarpsM * (16 * T::kRowTiles) + lane / 4;
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = first_row + i * 16 + half * 8;
        if (row >= p.geometry.rows()) continue;
        const int image = row / p.geometry.out_pixels(), pixel = row % p.geometry.out_pixels();
        const int64_t place = image % p.inner * p.inner_stride + image / p.inner * p.outer_stride;
        const int64_t first = (place + pixel) * p.channels;
#pragma unroll
        for (int j = 0; j < kColumns / 8; ++j) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int channel = block * kColumns + j * 8 + lane % 4 * 2 + e;
            if (channel >= p.channels) continue;
            float sum = sums[i][j][half * 2 + e];
            if (p.bias != nullptr) sum += p.bias[channel];
            if (p.mask != nullptr) sum *= p.mask[first + channel];
            if (p.add) sum += p.out[first + channel];
            p.out[first + channel] = sum;
          }
        }
      }
    }
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV2D_CUH_
