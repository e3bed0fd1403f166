// Copies the rows and weights of a convolution into shared memory, chunk after chunk.
//
// Activations lie in shared memory as rows of 32 floats whose 16-byte pieces are exchanged so
// (Swizzle) that neither the copies nor the reads of 16 bytes a lane meet in a bank; weights lie as
// lanes read them. Rows are gathered by copies of 16 bytes, because a row's neighbour in the chunk
// lies elsewhere and those beside the image are zeros; a chunk's weights are one run of memory.
// What wgmma multiplies comes otherwise (patch_product.cuh).
#ifndef CONVLSTM_CUDA_CHUNK_LOADER_CUH_
#define CONVLSTM_CUDA_CHUNK_LOADER_CUH_

#include "cuda/convolution.h"
#include "cuda/ptx.cuh"

namespace convlstm::cuda {

// Pixels of an image with their border in shared memory, for wgmma: 32 channels in planes of 8, for
// each pixel 16 bytes of bfloat16. Planes are so far apart that four of them and two pixels lie in
// eight banks of 16 bytes.
template <Math kMath, int kRowTiles>
struct PatchPlace {
  static constexpr int kMostPixels =
      (8 + kMostPatchTaps - 1) * (8 * kRowTiles + kMostPatchTaps - 1);
  static constexpr int kPlane = CeilDiv(kMostPixels - 2, 8) * 8 + 2;
  static constexpr int kPartWords = kDepth / 8 * kPlane * 4;
  static constexpr int kParts = kMath == Math::kBf16x3Wgmma ? 2 : 1;  // high, low
  static constexpr int kWords = kParts * kPartWords;
};

template <Math kMathValue, int kWarpsMValue, int kWarpsNValue, int kRowTilesValue, int kStagesValue>
struct Tile {
  static constexpr Math kMath = kMathValue;
  static constexpr int kWarpsM = kWarpsMValue, kWarpsN = kWarpsNValue;
  static constexpr int kRowTiles = kRowTilesValue, kStages = kStagesValue;
  static constexpr int kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kRows = 16 * kRowTiles * kWarpsM;
  static constexpr int kBlockColumns = kColumns * kWarpsN;

  static constexpr bool kWgmma = IsWgmma(kMath);
  static constexpr int kActivationWords = kRows * kDepth;
  static constexpr int kWeightWords = ChunkWords(kMath) * kWarpsN;
  static constexpr int kStageWords = kActivationWords + kWeightWords;
  static constexpr int kSharedBytes =
      kWgmma ? PatchPlace<kMath, kRowTiles>::kWords * 4 + kStages * (kWeightWords * 4 + 8)
             : kStages * kStageWords * 4;

  // The pixels of the result that a block has with wgmma.
  static constexpr int kPatchWidth = kPatchTileWidth, kPatchHeight = kRows / kPatchWidth;

  // A thread copies one column of 16 bytes of so many rows.
  static constexpr int kRowStep = kThreads / (kDepth / 4);
  static constexpr int kThreadRows = kRows / kRowStep;
  static_assert(kThreadRows * kRowStep == kRows);
};

// Where the 16-byte piece of a row lies in it. Eight lanes are served at once: those that read one
// piece of eight rows and those that read four pieces of two rows must all differ.
__device__ __forceinline__ int Swizzle(int row, int piece) {
  return piece ^ ((row & 1) << 2 | (row >> 1 & 3));
}

// A lane's part of a warp's sums: [16 rows][8 columns][d of mma].
template <class T>
using Accumulators = float[T::kRowTiles][kColumns / 8][4];

// Copies chunk after chunk into shared memory.
template <class T>
class ChunkLoader {
 public:
  __device__ __forceinline__ ChunkLoader(const ConvGeometry& geometry, const ConvSource& first,
                                         const ConvSource& second, const uint4* weights,
                                         int packed_chunks, uint32_t* shared)
      : g_(geometry),
        second_(second),
        chunks_left_(first.chunks),
        packed_chunks_(packed_chunks),
        weights_(weights),
        shared_(shared) {
    Begin(first);
    if (chunks_left_ == 0) Switch();
  }

  __device__ __forceinline__ void Load(int stage) {
    if (chunks_left_ == 0) Switch();
    --chunks_left_;
    uint32_t* activations = shared_ + stage * T::kStageWords;
    if (source_.channels % 4 == 0) {
      LoadPieces(activations);
    } else {
      LoadElements(activations);
    }
    LoadWeights(activations + T::kActivationWords);
    Advance(kDepth);
  }

 private:
  __device__ __forceinline__ void Begin(const ConvSource& source) {
    source_ = source;
    channel_ = tap_y_ = tap_x_ = 0;
    const int tid = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < T::kThreadRows; ++i) {
      const int row = static_cast<int>(blockIdx.x) * T::kRows + tid / 8 + i * T::kRowStep;
      const bool inside = row < g_.rows();
      const int image = row / g_.out_pixels(), pixel = row % g_.out_pixels();
      const int y = pixel / g_.out_width * g_.stride_y - g_.pad_top;
      const int x = pixel % g_.out_width * g_.stride_x - g_.pad_left;
      row_y_[i] = inside ? y : kNowhere;
      row_x_[i] = x;
      row_pixel_[i] = inside ? image * source.image_stride + y * g_.width + x : 0;
    }
    Advance(tid % 8 * 4);
  }

  __device__ __forceinline__ void Switch() {
    chunks_left_ = second_.chunks;
    Begin(second_);
  }

  __device__ __forceinline__ void Advance(int depth) {
    channel_ += depth;
    while (channel_ >= source_.channels) {
      channel_ -= source_.channels;
      NextTap(tap_y_, tap_x_);
    }
  }
  __device__ __forceinline__ void NextTap(int& tap_y, int& tap_x) const {
    if (++tap_x == g_.kernel_width) {
      tap_x = 0;
      ++tap_y;
    }
  }

  template <int kBytes>
  __device__ __forceinline__ void Copy(uint32_t* to, int i, int channel, int tap_y, int tap_x) {
    const int dy = tap_y * g_.dilation_y, dx = tap_x * g_.dilation_x;
    const bool inside = tap_y < g_.kernel_height &&
                        static_cast<unsigned>(row_y_[i] + dy) < static_cast<unsigned>(g_.height) &&
                        static_cast<unsigned>(row_x_[i] + dx) < static_cast<unsigned>(g_.width);
    const int pixel = row_pixel_[i] + dy * g_.width + dx;
    const float* from =
        inside ? source_.data + static_cast<int64_t>(pixel) * source_.channels + channel
               : source_.data;
    CopyAsync<kBytes>(to, from, inside);
  }

  // Four channels of one tap at a time.
  __device__ __forceinline__ void LoadPieces(uint32_t* activations) {
    const int tid = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < T::kThreadRows; ++i) {
      const int row = tid / 8 + i * T::kRowStep;
      Copy<16>(activations + row * kDepth + Swizzle(row, tid % 8) * 4, i, channel_, tap_y_, tap_x_);
    }
  }
  __device__ __forceinline__ void LoadElements(uint32_t* activations) {
    const int tid = static_cast<int>(threadIdx.x);
    int channel = channel_, tap_y = tap_y_, tap_x = tap_x_;
#pragma unroll 1
    for (int e = 0; e < 4; ++e) {
#pragma unroll
      for (int i = 0; i < T::kThreadRows; ++i) {
        const int row = tid / 8 + i * T::kRowStep;
        Copy<4>(activations + row * kDepth + Swizzle(row, tid % 8) * 4 + e, i, channel, tap_y,
                tap_x);
      }
      if (++channel == source_.channels) {
        channel = 0;
        NextTap(tap_y, tap_x);
      }
    }
  }

  // The packed weights are [64 columns][chunk][ChunkWords].
  __device__ __forceinline__ void LoadWeights(uint32_t* to) {
    constexpr int kPieces = ChunkWords(T::kMath) / 4;
    const auto chunk_of = [&](int columns) {
      const int64_t block = static_cast<int64_t>(blockIdx.y) * T::kWarpsN + columns;
      return weights_ + (block * packed_chunks_ + weight_chunk_) * kPieces;
    };
#pragma unroll
    for (int p = static_cast<int>(threadIdx.x); p < kPieces * T::kWarpsN; p += T::kThreads) {
      CopyAsync<16>(to + p * 4, chunk_of(p / kPieces) + p % kPieces, true);
    }
    ++weight_chunk_;
  }

  // A row that is no pixel: no tap brings it into the image.
  static constexpr int kNowhere = -(1 << 30);

  ConvGeometry g_;
  ConvSource source_, second_;
  int chunks_left_;
  int packed_chunks_;
  int weight_chunk_ = 0;
  const uint4* weights_;
  uint32_t* shared_;
  int channel_, tap_y_, tap_x_;  // where this thread's column of the chunk begins
  int row_y_[T::kThreadRows], row_x_[T::kThreadRows], row_pixel_[T::kThreadRows];
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CHUNK_LOADER_CUH_
