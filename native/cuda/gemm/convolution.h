// A convolution as an implicit GEMM: the layout that host and kernels agree on.
//
//   rows (M)     output pixels, image after image
//   depth (K)    (tap, channel) of the first source, then of the second: x and h of a ConvLSTM.
//                Rows are gathered while they are copied: no im2col, no concatenation in memory.
//   columns (N)  output channels, or the gates of the hidden channels
//   chunk        32 of depth, the unit of copies and products
//
// Sources are channels-last and unpadded. In the packed weights each source's depth is zero-padded
// to whole chunks. For wgmma, which reads rows from a patch of the image (patch_product.cuh), the
// depth is ordered by 32 channels, then by tap; a remainder of at most 16 channels puts two taps in
// a chunk.
#ifndef CONVLSTM_CUDA_GEMM_CONVOLUTION_H_
#define CONVLSTM_CUDA_GEMM_CONVOLUTION_H_

#include <cstdint>
#include <type_traits>

#include "core/divide_up.h"
#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// Arithmetic of the products. kTf32x3: float32 accuracy from three TF32 products, hi hi + hi lo +
// lo hi. kBf16x3: the same of bfloat16 halves, 16 bits of mantissa. kBf16: one bfloat16 product.
// kBf16x3Wgmma, kBf16Wgmma: the same by wgmma (sm_90a).
enum class Math { kFma, kTf32x3, kBf16x3, kBf16, kBf16x3Wgmma, kBf16Wgmma };

__host__ __device__ constexpr bool IsWgmma(Math math) {
  return math == Math::kBf16x3Wgmma || math == Math::kBf16Wgmma;
}
// Shared memory available to a block on every GPU that runs the products: the limit is that of
// sm_75 for kFma, of sm_90 for wgmma and of sm_86 for the rest.
constexpr int MaxSharedBytes(Math math) {
  return (math == Math::kFma ? 64 : IsWgmma(math) ? 227 : 99) * 1024;
}
// The equivalent for kernels without a wgmma variant.
constexpr Math WithoutWgmma(Math math) {
  return math == Math::kBf16x3Wgmma ? Math::kBf16x3 : math == Math::kBf16Wgmma ? Math::kBf16 : math;
}

// Calls visit(std::integral_constant<Math, math>()).
template <typename Visitor>
auto WithMath(Math math, const Visitor& visit) {
  switch (math) {
    case Math::kFma:
      break;
    case Math::kTf32x3:
      return visit(std::integral_constant<Math, Math::kTf32x3>());
    case Math::kBf16x3:
      return visit(std::integral_constant<Math, Math::kBf16x3>());
    case Math::kBf16:
      return visit(std::integral_constant<Math, Math::kBf16>());
    case Math::kBf16x3Wgmma:
      return visit(std::integral_constant<Math, Math::kBf16x3Wgmma>());
    case Math::kBf16Wgmma:
      return visit(std::integral_constant<Math, Math::kBf16Wgmma>());
  }
  return visit(std::integral_constant<Math, Math::kFma>());
}

// Whether the architecture being compiled has code for kMath; kernels without are never launched.
template <Math kMath>
constexpr bool kCompiled = kMath == Math::kFma ? true
                           : IsWgmma(kMath)    ? CONVLSTM_CUDA_WGMMA
                                               : CONVLSTM_CUDA_ARCH >= 800;

constexpr int kDepth = 32;             // of a chunk
constexpr int kColumns = 64;           // of a warp: 16 hidden channels of a ConvLSTM
constexpr int kMaxChannels = 1 << 29;  // of a source: an int counts the bytes of a pixel
constexpr int kMaxPatchTaps = 5;       // height and width of a kernel that wgmma serves

// Packed weights, one chunk of kColumns columns: [8 columns][unit of depth][lane] of 16 bytes, in
// the order in which lanes multiply, so that a warp reads contiguous memory. For wgmma, which reads
// shared memory itself, the layout is that of WgmmaBf16 (ptx.cuh), with as many bytes.
__host__ __device__ constexpr int UnitDepth(Math math) {
  return math == Math::kBf16 || math == Math::kBf16Wgmma ? 32 : 16;
}
__host__ __device__ constexpr int ChunkWords(Math math) {
  return kColumns / 8 * (kDepth / UnitDepth(math)) * 32 * 4;
}

// Non-negative numbers only: unsigned division takes fewer instructions.
struct Quotient {
  int whole, rest;
};
__host__ __device__ constexpr Quotient Divide(int a, int b) {
  const auto whole = static_cast<int>(static_cast<unsigned>(a) / static_cast<unsigned>(b));
  return {whole, a - whole * b};
}

struct ConvSource {
  const float* data;
  int channels;
  int image_stride;  // pixels, between images of a step
  int chunks;
};

struct ConvGeometry {
  int images, height, width;
  int out_height, out_width;
  int kernel_height, kernel_width;
  int stride_y, stride_x;
  int pad_top, pad_left;
  int dilation_y, dilation_x;

  __host__ __device__ int out_pixels() const { return out_height * out_width; }
  __host__ __device__ int rows() const { return images * out_height * out_width; }
  __host__ __device__ int chunks(int channels) const {
    return DivideUp(kernel_height * kernel_width * channels, kDepth);
  }
  __host__ __device__ int chunks(int channels, Math math) const {
    if (!IsWgmma(math)) return chunks(channels);
    const int taps = kernel_height * kernel_width, rest = channels % kDepth;
    const int of_rest = rest > kDepth / 2 ? taps : rest > 0 ? DivideUp(taps, 2) : 0;
    return channels / kDepth * taps + of_rest;
  }
};

// Row tiles of `rows` rows. For wgmma a tile is a patch of the image, 8 pixels wide.
constexpr int kPatchTileWidth = 8;
__host__ __device__ constexpr int RowBlocks(const ConvGeometry& g, int rows, Math math) {
  if (!IsWgmma(math)) return DivideUp(g.rows(), rows);
  return g.images * DivideUp(g.out_height, rows / kPatchTileWidth) *
         DivideUp(g.out_width, kPatchTileWidth);
}

// Columns of a recurrent cell with G gates (1, 2 or 4) are permuted so that each lane's
// accumulators hold all gates of its channels. Lane t of a row holds columns 2t and 2t + 1 of every
// eight; the j-th eight of kColumns is gate j % G, so that the lane has the L = 16 / G channels
// from L t on.
__host__ __device__ constexpr int WarpChannels(int gates) { return kColumns / gates; }
__host__ __device__ constexpr int LaneChannels(int gates) { return WarpChannels(gates) / 4; }
__host__ __device__ constexpr int GateOf(int column, int gates) { return column / 8 % gates; }
__host__ __device__ constexpr int ChannelOf(int column, int gates) {
  const int eight = column % kColumns / 8, n = column % 8;
  return column / kColumns * WarpChannels(gates) + LaneChannels(gates) * (n / 2) +
         eight / gates * 2 + n % 2;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_CONVOLUTION_H_
