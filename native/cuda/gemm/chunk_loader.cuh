// Copies the rows and weights of a convolution into shared memory, chunk after chunk.
//
// Activations lie in shared memory as rows of 32 floats whose 16-byte pieces are exchanged so
// (Swizzle) that neither the copies nor the reads of 16 bytes a lane meet in a bank; weights lie as
// lanes read them. Rows are gathered by copies of 16 bytes, because a row's neighbour in the chunk
// lies elsewhere and those beside the image are zeros; a chunk's weights are one run of memory.
// The taps read the same pixels again, with 3x3 and 64 pixels of an image's row 198 of them for 576
// reads, so that rows go through L1: between two taps of a row of the kernel a block reads 17 KiB
// of 64 channels, and three blocks of the medium tile leave 60 of an H100's 256. A block reads its
// weights once, and they pass by it.
// What wgmma multiplies comes otherwise (patch_product.cuh).
#ifndef CONVLSTM_CUDA_GEMM_CHUNK_LOADER_CUH_
#define CONVLSTM_CUDA_GEMM_CHUNK_LOADER_CUH_

#include "cuda/gemm/convolution.h"
#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// Pixels of an image with their border in shared memory, for wgmma: 32 channels in planes of 8, for
// each pixel 16 bytes of bfloat16. Planes are so far apart that four of them and two pixels lie in
// eight banks of 16 bytes.
template <Math kMath, int kRows>
struct PatchPlace {
  static constexpr int kMostPixels =
      (kPatchTileWidth + kMostPatchTaps - 1) * (kRows / kPatchTileWidth + kMostPatchTaps - 1);
  static constexpr int kPlane = DivideUp(kMostPixels - 2, 8) * 8 + 2;
  static constexpr int kPartWords = kDepth / 8 * kPlane * 4;
  static constexpr int kParts = kMath == Math::kBf16x3Wgmma ? 2 : 1;  // high, low
  static constexpr int kWords = kParts * kPartWords;
};

// A warp has kTiles of 16 rows x 64 columns, one below the other; with wgmma, which takes the 64
// rows of four warps and up to 128 columns at once, one beside the other.
template <Math kMathValue, int kWarpsMValue, int kWarpsNValue, int kTilesValue, int kStagesValue>
struct Tile {
  static constexpr Math kMath = kMathValue;
  static constexpr bool kWgmma = IsWgmma(kMath);
  static constexpr int kWarpsM = kWarpsMValue, kWarpsN = kWarpsNValue;
  static constexpr int kTiles = kTilesValue, kStages = kStagesValue;
  static constexpr int kRowTiles = kWgmma ? 1 : kTiles;
  static constexpr int kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kRows = 16 * kRowTiles * kWarpsM;
  static constexpr int kColumnBlocks = kWarpsN * (kWgmma ? kTiles : 1);
  static constexpr int kBlockColumns = kColumns * kColumnBlocks;

  static constexpr int kActivationWords = kRows * kDepth;
  static constexpr int kWeightWords = ChunkWords(kMath) * kColumnBlocks;
  static constexpr int kStageWords = kActivationWords + kWeightWords;
  static constexpr int kSharedBytes =
      kWgmma ? PatchPlace<kMath, kRows>::kWords * 4 + kStages * (kWeightWords * 4 + 8)
             : kStages * kStageWords * 4;
  static_assert(kSharedBytes <= MostSharedBytes(kMath));

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

// Copies chunk after chunk into shared memory.
template <class T>
class ChunkLoader {
 public:
  __device__ __forceinline__ ChunkLoader(const ConvGeometry& geometry, const ConvSource& first,
                                         const ConvSource& second, const uint4* weights,
                                         int packed_chunks)
      : g_(geometry),
        second_(second),
        chunks_left_(first.chunks),
        columns_stride_(static_cast<int64_t>(packed_chunks) * kPieces),
        weights_(weights + blockIdx.y * T::kWarpsN * columns_stride_ + threadIdx.x) {
    Begin(first);
    if (chunks_left_ == 0) Switch();
  }

  __device__ __forceinline__ void Load(uint32_t* to) {
    if (chunks_left_ == 0) Switch();
    --chunks_left_;
    if (source_.channels % 4 == 0) {
      CopyRows<16>(to + PieceOfThread(), place_);
    } else {
      LoadElements(to + PieceOfThread());
    }
    LoadWeights(to + T::kActivationWords + threadIdx.x * 4);
    place_.channel += kDepth;
    EnterTap(place_);
  }

 private:
  static constexpr int kPieces = ChunkWords(T::kMath) / 4;

  // A place in the depth.
  struct DepthPlace {
    int channel, tap_y, tap_x;
  };

  __device__ __forceinline__ void Begin(const ConvSource& source) {
    source_ = source;
    const int tid = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < T::kThreadRows; ++i) {
      const int row = static_cast<int>(blockIdx.x) * T::kRows + tid / 8 + i * T::kRowStep;
      const bool inside = row < g_.rows();
      const auto [image, pixel] = Divide(row, g_.out_pixels());
      const auto [out_y, out_x] = Divide(pixel, g_.out_width);
      const int y = out_y * g_.stride_y - g_.pad_top, x = out_x * g_.stride_x - g_.pad_left;
      row_y_[i] = inside ? y : kNowhere;
      row_x_[i] = x;
      row_pixel_[i] = inside ? image * source.image_stride + y * g_.width + x : 0;
    }
    place_ = {tid % 8 * 4, 0, 0};
    EnterTap(place_);
  }

  __device__ __forceinline__ void Switch() {
    chunks_left_ = second_.chunks;
    Begin(second_);
  }

  // The tap that the channel belongs to, where it is beyond the last of this.
  __device__ __forceinline__ void EnterTap(DepthPlace& at) const {
    while (at.channel >= source_.channels) {
      at.channel -= source_.channels;
      if (++at.tap_x == g_.kernel_width) {
        at.tap_x = 0;
        ++at.tap_y;
      }
    }
  }

  // The elements at a place in the depth, of every row.
  template <int kBytes>
  __device__ __forceinline__ void CopyRows(uint32_t* to, const DepthPlace& at) {
    const int dy = at.tap_y * g_.dilation_y, dx = at.tap_x * g_.dilation_x;
    const bool tap = at.tap_y < g_.kernel_height;
    const char* const channel = reinterpret_cast<const char*>(source_.data + at.channel);
    const int pixel_bytes = source_.channels * 4;
#pragma unroll
    for (int i = 0; i < T::kThreadRows; ++i) {
      const bool y = static_cast<unsigned>(row_y_[i] + dy) < static_cast<unsigned>(g_.height);
      const bool x = static_cast<unsigned>(row_x_[i] + dx) < static_cast<unsigned>(g_.width);
      // Not &&: ptxas 13.0 makes a load of the width for every row of it.
      const bool inside = tap & y & x;
      const int pixel = row_pixel_[i] + dy * g_.width + dx;
      CopyAsync<kBytes>(to + i * T::kRowStep * kDepth,
                        channel + static_cast<int64_t>(pixel) * pixel_bytes, inside);
    }
  }

  // Where the thread's piece of its first row lies: those of the others are as far on as the rows.
  __device__ __forceinline__ static int PieceOfThread() {
    static_assert(T::kRowStep % 8 == 0, "or Swizzle differs");
    const int row = static_cast<int>(threadIdx.x) / 8;
    return row * kDepth + Swizzle(row, static_cast<int>(threadIdx.x) % 8) * 4;
  }

  // Four channels of one tap, element after element where they may be of several.
  __device__ __forceinline__ void LoadElements(uint32_t* to) {
    DepthPlace at = place_;
#pragma unroll 1
    for (int e = 0; e < 4; ++e) {
      CopyRows<4>(to + e, at);
      ++at.channel;
      EnterTap(at);
    }
  }

  // The packed weights are [64 columns][chunk][ChunkWords].
  __device__ __forceinline__ void LoadWeights(uint32_t* to) {
    constexpr int kEach = kPieces / T::kThreads;
    static_assert(kEach * T::kThreads == kPieces);
#pragma unroll
    for (int n = 0; n < T::kWarpsN; ++n) {
#pragma unroll
      for (int k = 0; k < kEach; ++k) {
        CopyAsync<16, Cache::kL2>(to + (n * kPieces + k * T::kThreads) * 4,
                                  weights_ + n * columns_stride_ + k * T::kThreads, true);
      }
    }
    weights_ += kPieces;
  }

  // A row that is no pixel: no tap brings it into the image.
  static constexpr int kNowhere = -(1 << 30);

  ConvGeometry g_;
  ConvSource source_, second_;
  int chunks_left_;
  int64_t columns_stride_;  // of the packed weights, from 64 columns to the next
  const uint4* weights_;    // this thread's first piece of the chunk
  DepthPlace place_;        // where this thread's column of the chunk begins
  int row_y_[T::kThreadRows], row_x_[T::kThreadRows], row_pixel_[T::kThreadRows];
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_CHUNK_LOADER_CUH_
