// Column sums of [row][channel], in an order that depends only on the shape and the grid.
//
// A block of 256 threads covers up to 128 adjacent channels of as many rows as fit, so that a
// warp's reads are coalesced for any number of channels. Threads accumulate in float32; sums across
// the threads of a block and across slices are in float64.
#ifndef CONVLSTM_CUDA_CONVOLUTION_CHANNEL_SUMS_CUH_
#define CONVLSTM_CUDA_CONVOLUTION_CHANNEL_SUMS_CUH_

#include "cuda/gemm/convolution.h"
#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

constexpr int kChannelThreads = 256, kMaxBlockChannels = 128;
constexpr int kChannelSharedBytes = kChannelThreads * static_cast<int>(sizeof(float));

// gridDim.y; gridDim.x is the number of slices of the rows.
__host__ __device__ constexpr int ChannelBlocks(int channels) {
  return DivideUp(channels, kMaxBlockChannels);
}

// A thread's share: rows `first_row`, `first_row + row_step`, ... of one channel.
struct ChannelThread {
  int width, lanes;  // of the block: channels, and rows at a time
  int channel;
  int64_t first_row, row_step;
  bool active;

  __device__ explicit ChannelThread(int channels) {
    const int tid = static_cast<int>(threadIdx.x);
    width = DivideUp(channels, static_cast<int>(gridDim.y));
    lanes = kChannelThreads / width;
    const int lane = tid / width, block_channel = static_cast<int>(blockIdx.y) * width;
    channel = block_channel + tid % width;
    first_row = static_cast<int64_t>(blockIdx.x) * lanes + lane;
    row_step = static_cast<int64_t>(gridDim.x) * lanes;
    active = lane < lanes && channel < channels;
  }
};

// Adds the block's sums of values[k] to to[k][channel], for k < count.
template <int kCount>
__device__ __forceinline__ void AddBlockSums(const ChannelThread& thread,
                                             const float (&values)[kCount], int count, int channels,
                                             double* to) {
  CONVLSTM_SHARED_MEMORY(memory);
  auto* shared = reinterpret_cast<float*>(memory);
  const int tid = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    if (k >= count) break;
    shared[tid] = values[k];
    __syncthreads();
    if (tid < thread.width && thread.active) {
      double sum = 0;
      for (int lane = 0; lane < thread.lanes; ++lane) sum += shared[lane * thread.width + tid];
      to[k * channels + thread.channel] += sum;
    }
    __syncthreads();
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_CHANNEL_SUMS_CUH_
