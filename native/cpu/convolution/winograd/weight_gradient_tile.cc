#include "cpu/convolution/winograd/weight_gradient_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/winograd/weight_gradient_tile.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <algorithm>
#include <vector>

#include "core/buffer.h"
#include "cpu/convolution/winograd/patch-inl.h"
#include "cpu/convolution/winograd/product-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

// Tiles of a block. The sums of 64 by 64 channels, 36 * 16 KiB, are read and written once per
// block: 2 bytes per multiply-add of 16 lanes, from L3 for more channels. 64 tiles gain 7% over 48
// on 64 channels and 3x3, 12% on 128 and 5x5; one product's 16 KiB of D and a line of V per tile
// still stay in L1.
constexpr size_t kWeightTiles = 64;

template <WinogradVariant kVariant>
class WeightPart {
 public:
  explicit WeightPart(const WinogradWeightGradient& gradient) : g_(gradient) {}

  void Run(const Range& in_channels, const Range& blocks) {
    const size_t channels = in_channels.end - in_channels.begin;
    v_tile_stride_ = (channels + kLanes - 1) / kLanes * kLanes;
    // No multiple of 4 KiB, which would put all products of a tile into one set of the cache.
    v_stride_ = kWeightTiles * v_tile_stride_ + kCacheLine / sizeof(float);
    v_ = Buffer::AllocateArray<float>(kProducts * v_stride_);
    d_ = Buffer::AllocateArray<float>(kProducts * kDeltaStride);
    patch_ = Buffer::AllocateArray<float>(kProducts * channels + kLanes);
    const Channels of_in = {g_.in_channels, static_cast<size_t>(in_channels.begin), channels};
    for (size_t first = 0; first < g_.tiling.tiles; first += kWeightTiles) {
      const size_t count = std::min(kWeightTiles, g_.tiling.tiles - first);
      for (size_t tile = 0; tile < count; ++tile) {
        const TilePlace place = PlaceOf(g_.tiling, first + tile);
        const Patch patch =
            PatchOf<kVariant>(g_.tiling, place, g_.in[place.sequence], of_in, patch_.as<float>());
        TransformPatch<kVariant>(patch, channels, v_.as<float>() + tile * v_tile_stride_,
                                 v_stride_);
      }
      for (int64_t block = blocks.begin; block < blocks.end; ++block) {
        for (size_t tile = 0; tile < count; ++tile) {
          TransformDelta(PlaceOf(g_.tiling, first + tile), tile, block);
        }
        AddProducts(of_in, block, count);
      }
    }
  }

 private:
  using Rows = WinogradAxis<kVariant.rows, kVariant.taps>;
  using Columns = WinogradAxis<kVariant.columns, kVariant.taps>;
  static constexpr size_t kProducts = kVariant.products();
  static constexpr size_t kDeltaStride = kWeightTiles * kRow + kCacheLine / sizeof(float);

  size_t VectorsOf(size_t block) const {
    const size_t left = g_.out_channels - block * kRow;
    return std::min<size_t>(4, (left + kLanes - 1) / kLanes);
  }

  // Fills d_ of one tile. Lanes past the last channel hold whatever follows in memory; their sums
  // are never read.
  void TransformDelta(const TilePlace& place, size_t tile, size_t block) {
    const Tag d;
    const size_t rows = std::min(kVariant.rows, g_.tiling.height - place.top);
    const size_t columns = std::min(kVariant.columns, g_.tiling.width - place.left);
    const size_t row_stride = g_.tiling.width * g_.out_channels;
    const float* from = g_.delta[place.sequence] + place.top * row_stride +
                        place.left * g_.out_channels + block * kRow;
    float* to = d_.as<float>() + tile * kRow;
    for (size_t q = 0; q < VectorsOf(block); ++q, from += kLanes, to += kLanes) {
      Vector half[Rows::kPoints][kVariant.columns];
      CONVLSTM_UNROLL
      for (size_t x = 0; x < kVariant.columns; ++x) {
        Vector outputs[kVariant.rows], products[Rows::kPoints];
        CONVLSTM_UNROLL
        for (size_t y = 0; y < kVariant.rows; ++y) {
          const bool inside = y < rows && x < columns;
          outputs[y] = HWY_LIKELY(inside)
                           ? hn::LoadU(d, from + y * row_stride + x * g_.out_channels)
                           : hn::Zero(d);
        }
        TransformOutputGradient<Rows>(d, outputs, products);
        CONVLSTM_UNROLL
        for (size_t y = 0; y < Rows::kPoints; ++y) half[y][x] = products[y];
      }
      CONVLSTM_UNROLL
      for (size_t y = 0; y < Rows::kPoints; ++y) {
        Vector products[Columns::kPoints];
        TransformOutputGradient<Columns>(d, half[y], products);
        CONVLSTM_UNROLL
        for (size_t x = 0; x < Columns::kPoints; ++x) {
          hn::Store(products[x], d, to + (y * Columns::kPoints + x) * kDeltaStride);
        }
      }
    }
  }

  void AddProducts(const Channels& of_in, size_t block, size_t count) {
    const size_t vectors = VectorsOf(block);
    const size_t most = g_.kernel.most_values[vectors - 1];
    const size_t steps = (of_in.count + most - 1) / most;
    for (size_t product = 0; product < kProducts; ++product) {
      const float* v = v_.as<float>() + product * v_stride_;
      float* const sums = g_.sums + block * kRow * kProducts * g_.in_channels +
                          (product * g_.in_channels + of_in.first) * vectors * kLanes;
      OuterProducts products = {
          v, static_cast<int64_t>(v_tile_stride_), 0, d_.as<float>() + product * kDeltaStride, kRow,
          0, static_cast<int64_t>(count),          1};
      for (size_t s = 0; s < steps; ++s) {
        const size_t begin = of_in.count * s / steps, end = of_in.count * (s + 1) / steps;
        products.left = v + begin;
        g_.kernel.get(SumProducts::kOn, vectors, end - begin)(products,
                                                              sums + begin * vectors * kLanes);
      }
    }
  }

  const WinogradWeightGradient& g_;
  size_t v_tile_stride_ = 0, v_stride_ = 0;
  Buffer v_;  // [product][tile][in channel]
  Buffer d_;  // [product][tile][channel of the block]
  Buffer patch_;
};

template <size_t kVariant>
void RunWeightPart(const WinogradWeightGradient& gradient, const Range& in_channels,
                   const Range& blocks) {
  WeightPart<kWinogradVariants[kVariant]>(gradient).Run(in_channels, blocks);
}

WinogradWeightGradientPart WeightPartOf(size_t variant) {
  return variant == WinogradGradientVariant(3) ? RunWeightPart<WinogradGradientVariant(3)>
                                               : RunWeightPart<WinogradGradientVariant(5)>;
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

WinogradWeightGradientPart GetWinogradWeightGradientPart(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, WeightPartOf)(variant);
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
