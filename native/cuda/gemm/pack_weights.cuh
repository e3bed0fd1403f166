// Packs weights into the layout that a warp's lanes read (convolution.h).
#ifndef CONVLSTM_CUDA_GEMM_PACK_WEIGHTS_CUH_
#define CONVLSTM_CUDA_GEMM_PACK_WEIGHTS_CUH_

#include "cuda/convolution/gradient_phases.h"
#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

struct PackArguments {
  const float* weight;  // [rows][first + second channels][taps], row-major
  uint32_t* packed;     // [64 columns][chunk][ChunkWords]
  int64_t words;
  int channels;  // of the result
  int first_channels, second_channels;
  int taps, row_taps;  // of the kernel and of a row of it
  int first_chunks, second_chunks;
  // Not 0: packs for the gradient of the input, a convolution with flipped taps and with the roles
  // of input and output channels exchanged. A row of `weight` then has row_inputs channels, of
  // which `channels` are packed, and first_channels counts its rows.
  int row_inputs = 0;
  TapSteps steps = {};
};

// The tap and channel of a source at `depth` of its chunk `chunk`; either may be beyond the last.
struct TapChannel {
  int tap, channel;
};
template <Math kMath>
__device__ __forceinline__ TapChannel TapChannelOf(int chunk, int depth, int channels, int taps) {
  if constexpr (IsWgmma(kMath)) {
    const int rest = chunk - channels / kDepth * taps, of_rest = channels % kDepth;
    if (rest < 0) return {chunk % taps, chunk / taps * kDepth + depth};
    const int first = channels - of_rest;
    if (of_rest > kDepth / 2) return {rest, first + depth};
    return {rest * 2 + depth / 16, first + depth % 16};
  } else {
    const int k = chunk * kDepth + depth;
    return {k / channels, k % channels};
  }
}

// Columns are output channels.
constexpr int kNoGates = 0;

// The weight at `depth` of chunk `chunk` in column `column`; 0 in the padding. With the gates of a
// recurrent cell columns are permuted (GateOf, ChannelOf), and row `gate * channels + channel` of
// `weight` belongs to a gate.
template <Math kMath, int kGates>
__device__ __forceinline__ float WeightAt(const PackArguments& p, int column, int chunk,
                                          int depth) {
  int channel = column, row = column;
  if constexpr (kGates != kNoGates) {
    channel = ChannelOf(column, kGates);
    row = GateOf(column, kGates) * p.channels + channel;
  }
  if (channel >= p.channels) return 0.0f;
  const bool first = chunk < p.first_chunks;
  const int source_channels = first ? p.first_channels : p.second_channels;
  const auto [tap, k] =
      TapChannelOf<kMath>(first ? chunk : chunk - p.first_chunks, depth, source_channels, p.taps);
  if (tap >= p.taps || k >= source_channels) return 0.0f;
  if (p.row_inputs != 0) {
    const int64_t at = static_cast<int64_t>(k) * p.row_inputs + channel;
    return p.weight[at * p.steps.taps + p.steps.last - tap / p.row_taps * p.steps.row_step -
                    tap % p.row_taps * p.steps.step];
  }
  const int64_t inputs = p.first_channels + p.second_channels;
  return p.weight[(row * inputs + (first ? k : p.first_channels + k)) * p.taps + tap];
}

#if CONVLSTM_CUDA_ARCH >= 800
// The low halves: what rounding to bfloat16 leaves of both.
__device__ __forceinline__ uint32_t PackBf16Rests(float low, float high) {
  const uint32_t bits = PackBf16(low, high);
  return PackBf16(low - FromBits(bits << 16), high - FromBits(bits & 0xffff0000u));
}
#endif

template <Math kMath, int kGates>
__global__ void PackWeights(const PackArguments p) {
  const int64_t word = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (word >= p.words) return;
  constexpr int kUnits = kDepth / UnitDepth(kMath);
  const int w = static_cast<int>(word % 4), lane = static_cast<int>(word / 4 % 32);
  const int unit = static_cast<int>(word / 128 % kUnits);
  const int eight = static_cast<int>(word / (128 * kUnits) % 8);
  const int64_t block_chunk = word / ChunkWords(kMath);
  const int chunks = p.first_chunks + p.second_chunks;
  const int chunk = static_cast<int>(block_chunk % chunks);
  const int first_column = static_cast<int>(block_chunk / chunks) * kColumns + eight * 8;

  if constexpr (kMath == Math::kFma || kMath == Math::kTf32x3) {
    const int n = kMath == Math::kFma ? lane % 8 : lane / 4;
    const int quad = kMath == Math::kFma ? lane / 8 : lane % 4;
    p.packed[word] =
        Bits(WeightAt<kMath, kGates>(p, first_column + n, chunk, unit * 16 + quad * 4 + w));
  } else if constexpr (IsWgmma(kMath)) {
#if CONVLSTM_CUDA_ARCH >= 800
    // [half][depth 16][8 columns][8 of depth][column][depth]
    const int index = static_cast<int>(word % ChunkWords(kMath));
    const int pair = index % 4, n = index / 4 % 8, half = index / 32 % 2;
    const int column = static_cast<int>(block_chunk / chunks) * kColumns + index / 64 % 8 * 8 + n;
    const int depth = index / 512 % 2 * 16 + half * 8 + pair * 2;
    const float low = WeightAt<kMath, kGates>(p, column, chunk, depth);
    const float high = WeightAt<kMath, kGates>(p, column, chunk, depth + 1);
    p.packed[word] = index / 1024 == 0 ? PackBf16(low, high) : PackBf16Rests(low, high);
#endif
  } else {
#if CONVLSTM_CUDA_ARCH >= 800
    const int column = first_column + lane / 4;
    const int step = kMath == Math::kBf16 ? w / 2 : unit;
    const int depth = step * 16 + lane % 4 * 4 + w % 2 * 2;
    const float low = WeightAt<kMath, kGates>(p, column, chunk, depth);
    const float high = WeightAt<kMath, kGates>(p, column, chunk, depth + 1);
    const bool rests = kMath == Math::kBf16x3 && w >= 2;
    p.packed[word] = rests ? PackBf16Rests(low, high) : PackBf16(low, high);
#endif
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_PACK_WEIGHTS_CUH_
