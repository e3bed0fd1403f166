// Gathers chunks of rows and weights into shared memory by asynchronous copies (cp.async), for mma
// and FMA; patch_product.cuh does so for wgmma.
//
// Activations are rows of 32 floats, swizzled in 16-byte pieces so that neither copies nor reads
// have bank conflicts; weights keep their packed order. Rows are gathered 16 bytes at a time: the
// rows of a chunk are not contiguous in memory, and those outside the image are zeros. A chunk's
// weights are contiguous.
// Rows are cached in L1, because taps read the same pixels again: with 3x3 and 64 pixels of an
// image row, 576 reads of 198 pixels. Between two taps of a kernel row a block reads 17 KiB of 64
// channels, and three blocks of the medium tile leave 60 of an H100's 256 KiB. Weights bypass L1: a
// block reads them once.
#ifndef CONVLSTM_CUDA_GEMM_CHUNK_LOADER_CUH_
#define CONVLSTM_CUDA_GEMM_CHUNK_LOADER_CUH_

#include "cuda/gemm/convolution.h"
#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// The patch of an image with its border in shared memory, for wgmma: [8 channels][pixel] of 16
// bytes of bfloat16, 32 channels in four planes. Planes are padded so that two pixels of all four
// planes fall into eight different banks of 16 bytes.
template <Math kMath, int kRows>
struct PatchLayout {
  static constexpr int kMaxPixels =
      (kPatchTileWidth + kMaxPatchTaps - 1) * (kRows / kPatchTileWidth + kMaxPatchTaps - 1);
  static constexpr int kPlane = DivideUp(kMaxPixels - 2, 8) * 8 + 2;
  static constexpr int kPartWords = kDepth / 8 * kPlane * 4;
  static constexpr int kParts = kMath == Math::kBf16x3Wgmma ? 2 : 1;  // high, low
  static constexpr int kWords = kParts * kPartWords;
};

// Tile of a block: kWarpsM x kWarpsN warps. A warp has kTiles fragments of 16 rows x 64 columns,
// stacked by rows; with wgmma, which multiplies 64 rows (four warps) by up to 128 columns, by
// columns.
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
      kWgmma ? PatchLayout<kMath, kRows>::kWords * 4 + kStages * (kWeightWords * 4 + 8)
             : kStages * kStageWords * 4;
  static_assert(kSharedBytes <= MaxSharedBytes(kMath));

  // Output pixels of a block with wgmma.
  static constexpr int kPatchWidth = kPatchTileWidth, kPatchHeight = kRows / kPatchWidth;

  // A thread copies the same 16-byte column of kThreadRows rows, kRowStep apart.
  static constexpr int kRowStep = kThreads / (kDepth / 4);
  static constexpr int kThreadRows = kRows / kRowStep;
  static_assert(kThreadRows * kRowStep == kRows);
};

// The swizzled index of a 16-byte piece of a row. Shared memory serves eight lanes at a time: eight
// that read one piece of eight rows, or four pieces of two rows, must all hit different banks.
__device__ __forceinline__ int Swizzle(int row, int piece) {
  return piece ^ ((row & 1) << 2 | (row >> 1 & 3));
}

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
      CopyRows<16>(to + PieceOfThread(), at_);
    } else {
      LoadElements(to + PieceOfThread());
    }
    LoadWeights(to + T::kActivationWords + threadIdx.x * 4);
    at_.channel += kDepth;
    EnterTap(at_);
  }

 private:
  static constexpr int kPieces = ChunkWords(T::kMath) / 4;

  // A position along the depth.
  struct TapPosition {
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
      row_y_[i] = inside ? y : kOutside;
      row_x_[i] = x;
      row_pixel_[i] = inside ? image * source.image_stride + y * g_.width + x : 0;
    }
    at_ = {tid % 8 * 4, 0, 0};
    EnterTap(at_);
  }

  __device__ __forceinline__ void Switch() {
    chunks_left_ = second_.chunks;
    Begin(second_);
  }

  // Normalises a channel beyond the last to the following taps.
  __device__ __forceinline__ void EnterTap(TapPosition& at) const {
    while (at.channel >= source_.channels) {
      at.channel -= source_.channels;
      if (++at.tap_x == g_.kernel_width) {
        at.tap_x = 0;
        ++at.tap_y;
      }
    }
  }

  // Copies kBytes at a position along the depth, for every row of the thread.
  template <int kBytes>
  __device__ __forceinline__ void CopyRows(uint32_t* to, const TapPosition& at) {
    const int dy = at.tap_y * g_.dilation_y, dx = at.tap_x * g_.dilation_x;
    const bool tap = at.tap_y < g_.kernel_height;
    const char* const channel = reinterpret_cast<const char*>(source_.data + at.channel);
    const int pixel_bytes = source_.channels * 4;
#pragma unroll
    for (int i = 0; i < T::kThreadRows; ++i) {
      const bool y = static_cast<unsigned>(row_y_[i] + dy) < static_cast<unsigned>(g_.height);
      const bool x = static_cast<unsigned>(row_x_[i] + dx) < static_cast<unsigned>(g_.width);
      // & instead of &&, for which ptxas 13.0 reloads the width for every row.
      const bool inside = tap & y & x;
      const int pixel = row_pixel_[i] + dy * g_.width + dx;
      CopyAsync<kBytes>(to + i * T::kRowStep * kDepth,
                        channel + static_cast<int64_t>(pixel) * pixel_bytes, inside);
    }
  }

  // Offset of the thread's piece in its first row; in the other rows it has the same swizzle.
  __device__ __forceinline__ static int PieceOfThread() {
    static_assert(T::kRowStep % 8 == 0, "Swizzle has period 8");
    const int row = static_cast<int>(threadIdx.x) / 8;
    return row * kDepth + Swizzle(row, static_cast<int>(threadIdx.x) % 8) * 4;
  }

  // Four elements of depth one by one, because they may belong to several taps.
  __device__ __forceinline__ void LoadElements(uint32_t* to) {
    TapPosition at = at_;
#pragma unroll 1
    for (int e = 0; e < 4; ++e) {
      CopyRows<4>(to + e, at);
      ++at.channel;
      EnterTap(at);
    }
  }

  // Packed weights: [64 columns][chunk][ChunkWords].
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

  // The y of rows beyond the last: outside the image for every tap.
  static constexpr int kOutside = -(1 << 30);

  ConvGeometry g_;
  ConvSource source_, second_;
  int chunks_left_;
  int64_t columns_stride_;  // of the packed weights, between blocks of 64 columns
  const uint4* weights_;    // this thread's first piece of the next chunk
  TapPosition at_;          // this thread's column of the next chunk
  int row_y_[T::kThreadRows], row_x_[T::kThreadRows], row_pixel_[T::kThreadRows];
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_CHUNK_LOADER_CUH_
