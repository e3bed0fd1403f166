// What host and device agree on about a convolution as a matrix product.
//
//   rows     pixels of the result, all images of a step one after the other
//   depth    (tap, channel) of the first source, then of the second: x and h of a ConvLSTM. Neither
//            an unfolded nor a concatenated tensor exists: rows are gathered as they are copied.
//   columns  output channels, or the four gates of the hidden channels
//
// Sources are channels-last without padding; each source's depth is rounded up to kDepth in the
// packed weights, with zeros. For wgmma, whose rows are taken from a patch of the image
// (patch_product.cuh), the depth is 32 channels at a time: of these every tap; what is left of the
// channels, if it is at most 16, makes half a chunk of a tap.
#ifndef CONVLSTM_CUDA_GEMM_CONVOLUTION_H_
#define CONVLSTM_CUDA_GEMM_CONVOLUTION_H_

#include <cstdint>
#include <type_traits>

#include "core/divide_up.h"
#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// How products are computed. kTf32x3: float32-class, hi hi + hi lo + lo hi of TF32 halves.
// kBf16x3: the same of bfloat16 halves, 16 bits of mantissa. kBf16: one product. kBf16x3Wgmma and
// kBf16Wgmma: these products by the instructions of sm_90a.
enum class Math { kFma, kTf32x3, kBf16x3, kBf16, kBf16x3Wgmma, kBf16Wgmma };

__host__ __device__ constexpr bool IsWgmma(Math math) {
  return math == Math::kBf16x3Wgmma || math == Math::kBf16Wgmma;
}
// What a block may have on every GPU that runs the products: sm_75, 90, and of the rest 86.
constexpr int MostSharedBytes(Math math) {
  return (math == Math::kFma ? 64 : IsWgmma(math) ? 227 : 99) * 1024;
}
// For kernels that have none with wgmma.
constexpr Math WithoutWgmma(Math math) {
  return math == Math::kBf16x3Wgmma ? Math::kBf16x3 : math == Math::kBf16Wgmma ? Math::kBf16 : math;
}

// visit(std::integral_constant<Math, math>)
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

// Whether there is code for it in what is being compiled. What has none is never launched.
template <Math kMath>
constexpr bool kCompiled = kMath == Math::kFma ? true
                           : IsWgmma(kMath)    ? CONVLSTM_CUDA_WGMMA
                                               : CONVLSTM_CUDA_ARCH >= 800;

constexpr int kDepth = 32;              // depth of a chunk, what is copied and multiplied at once
constexpr int kColumns = 64;            // columns of a warp: 16 hidden channels of a ConvLSTM
constexpr int kMostChannels = 1 << 29;  // of a source: a pixel's bytes are counted by an int
constexpr int kMostPatchTaps = 5;       // of a kernel's height and width, for wgmma

// One chunk of the weights of kColumns columns: for every 8 columns and every unit 32 lanes of 16
// bytes, what a lane multiplies next, so that a warp reads it as it lies. For wgmma, which reads
// shared memory itself, it is ptx.cuh's WgmmaBf16 that says how they lie, in as many bytes.
__host__ __device__ constexpr int UnitDepth(Math math) {
  return math == Math::kBf16 || math == Math::kBf16Wgmma ? 32 : 16;
}
__host__ __device__ constexpr int ChunkWords(Math math) {
  return kColumns / 8 * (kDepth / UnitDepth(math)) * 32 * 4;
}

// Of numbers that are not negative: a GPU takes fewer instructions for it.
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
  int image_stride;  // pixels from one image of the step to the next
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

// Blocks of tiles of so many rows. For wgmma the rows of a tile are a part of the image, 8 pixels
// wide.
constexpr int kPatchTileWidth = 8;
__host__ __device__ constexpr int RowBlocks(const ConvGeometry& g, int rows, Math math) {
  if (!IsWgmma(math)) return DivideUp(g.rows(), rows);
  return g.images * DivideUp(g.out_height, rows / kPatchTileWidth) *
         DivideUp(g.out_width, kPatchTileWidth);
}

// Columns of a recurrent cell with G gates (1, 2 or 4) are permuted so that a lane of the epilogue
// has all gates of its channels. A lane holds columns 2t and 2t + 1 of every eight; eight j of the
// kColumns has gate j % G, so that the lane has channels L t to L t + L - 1 with L = 16 / G.
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
