#include "cpu/convolution/winograd/gradients_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/winograd/gradients_tile.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <algorithm>
#include <vector>

#include "core/buffer.h"
#include "cpu/convolution/winograd/patch-inl.h"
#include "cpu/convolution/winograd/product-inl.h"
#include "cpu/simd/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

// Depth of a product that is summed in registers, as in the forward pass: the weights of a part
// (8 KiB) and its successor stay in L1.
constexpr size_t kDataPartDepth = 32;

// Tiles of a block. For F(4x4, 3x3) V of 64 channels and M of 64 are 295 KiB each, which L2 holds;
// the weights come from L3 once per block, 2 bytes a multiply-add of 16 lanes.
constexpr size_t kDataTiles = 32;

template <WinogradVariant kVariant>
class DataPart {
 public:
  explicit DataPart(const WinogradDataGradient& gradient)
      : g_(gradient),
        zeros_(Buffer::AllocateArray<float>(kRow)),
        patch_(Buffer::AllocateArray<float>(kProducts * kWinogradDepth)) {
    std::fill_n(zeros_.as<float>(), kRow, 0.0f);
  }

  void Run(const Range& tiles, const Range& groups) {
    const size_t count = tiles.end - tiles.begin;
    const size_t blocks = (count + kDataTiles - 1) / kDataTiles;
    const size_t largest = (count + blocks - 1) / blocks, group_count = groups.end - groups.begin;
    v_stride_ = largest * kWinogradDepth + kCacheLine / sizeof(float);
    m_stride_ = largest * kRow + kCacheLine / sizeof(float);
    v_ = Buffer::AllocateArray<float>(kProducts * v_stride_);
    m_ = Buffer::AllocateArray<float>(group_count * kProducts * m_stride_);
    for (size_t block = 0; block < blocks; ++block) {
      const Range range = SplitRange(count, static_cast<int>(block), static_cast<int>(blocks));
      RunBlock(tiles.begin + range.begin, range.end - range.begin, groups);
    }
  }

 private:
  static constexpr size_t kProducts = kVariant.products();

  void RunBlock(size_t first, size_t count, const Range& groups) {
    for (size_t depth = 0; depth < g_.out_channels; depth += kWinogradDepth) {
      const Channels channels = {g_.out_channels, depth,
                                 std::min(kWinogradDepth, g_.out_channels - depth)};
      for (size_t tile = 0; tile < count; ++tile) {
        const TilePlace place = PlaceOf(g_.tiling, first + tile);
        const Patch patch = PatchOf<kVariant>(g_.tiling, place, g_.delta[place.sequence], channels,
                                              patch_.as<float>());
        TransformPatch<kVariant>(patch, channels.count, v_.as<float>() + tile * kWinogradDepth,
                                 v_stride_);
      }
      for (int64_t group = groups.begin; group < groups.end; ++group) {
        AddProducts(group, MOf(group - groups.begin), channels, count);
      }
    }
    for (int64_t group = groups.begin; group < groups.end; ++group) {
      for (size_t tile = 0; tile < count; ++tile) {
        StoreTile(PlaceOf(g_.tiling, first + tile), MOf(group - groups.begin) + tile * kRow, group);
      }
    }
  }

  float* MOf(size_t group) const { return m_.as<float>() + group * kProducts * m_stride_; }

  // M of one group takes in the products of some channels of delta.
  void AddProducts(size_t group, float* m, const Channels& channels, size_t count) {
    const float* w = g_.weights + (group * g_.out_channels + channels.first) * kProducts * kRow;
    const size_t parts = (channels.count + kDataPartDepth - 1) / kDataPartDepth;
    const size_t steps = (count + kTiles - 1) / kTiles;
    for (size_t product = 0; product < kProducts; ++product, m += m_stride_) {
      const float* v = v_.as<float>() + product * v_stride_;
      for (size_t part = 0; part < parts; ++part) {
        const size_t begin = channels.count * part / parts;
        const size_t depth = channels.count * (part + 1) / parts - begin;
        const char* const next = reinterpret_cast<const char*>(w + depth * kRow);
        const size_t lines = depth * kRow * sizeof(float) / kCacheLine;
        for (size_t s = 0; s < steps; ++s) {
          for (size_t line = lines * s / steps; line < lines * (s + 1) / steps; ++line) {
            PrefetchOnce(next + line * kCacheLine);
          }
          const size_t tile = count * s / steps, tiles = count * (s + 1) / steps - tile;
          Multiply(tiles, v + tile * kWinogradDepth + begin, kWinogradDepth, w, depth,
                   m + tile * kRow, channels.first + part > 0);
        }
        w += depth * kRow;
      }
    }
  }

  void StoreTile(const TilePlace& place, const float* m, size_t group) {
    const Tag d;
    HWY_ALIGN float sums[kVariant.rows * kVariant.columns * kRow];
    TransformProducts<kVariant>(m, m_stride_, zeros_.as<float>(), sums);
    const size_t rows = std::min(kVariant.rows, g_.tiling.height - place.top);
    const size_t columns = std::min(kVariant.columns, g_.tiling.width - place.left);
    const size_t channels = std::min(kRow, g_.in_channels - group * kRow);
    for (size_t y = 0; y < rows; ++y) {
      float* to = g_.in_grad[place.sequence] +
                  ((place.top + y) * g_.tiling.width + place.left) * g_.in_channels + group * kRow;
      const float* from = sums + y * kVariant.columns * kRow;
      for (size_t x = 0; x < columns; ++x, to += g_.in_channels, from += kRow) {
        size_t channel = 0;
        for (; channel + kLanes <= channels; channel += kLanes) {
          hn::StoreU(hn::Load(d, from + channel), d, to + channel);
        }
        if (channel < channels) {
          StoreFirst(hn::Load(d, from + channel), d, to + channel, channels - channel);
        }
      }
    }
  }

  const WinogradDataGradient& g_;
  const Buffer zeros_;
  const Buffer patch_;
  size_t v_stride_ = 0, m_stride_ = 0;  // from product to product
  Buffer v_;                            // [product][tile][kWinogradDepth]
  Buffer m_;                            // [group][product][tile][row]
};

// Tiles of a block of the weights' gradient. The sums of 64 by 64 channels, 36 * 16 KiB, are read
// and written once a block: 2 bytes a multiply-add of 16 lanes, from L3 where there are more
// channels. Against 48 tiles that gained 7% on 64 channels and 3x3, 12% on 128 and 5x5; what one
// product needs at a time, 16 KiB of D and a line a tile of V, still stays in L1.
constexpr size_t kWeightTiles = 64;

template <WinogradVariant kVariant>
class WeightPart {
 public:
  explicit WeightPart(const WinogradWeightGradient& gradient) : g_(gradient) {}

  void Run(const Range& in_channels, const Range& blocks) {
    const size_t channels = in_channels.end - in_channels.begin;
    v_tile_stride_ = (channels + kLanes - 1) / kLanes * kLanes;
    // Not a multiple of 4 KiB, so that the products of a tile do not meet in one set of the cache.
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

  // d_[product][tile][channel of the block]. Of a last vector the lanes past the channels are
  // whatever follows in memory: their sums are not looked at.
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
void RunDataPart(const WinogradDataGradient& gradient, const Range& tiles, const Range& groups) {
  DataPart<kWinogradVariants[kVariant]>(gradient).Run(tiles, groups);
}

template <size_t kVariant>
void RunWeightPart(const WinogradWeightGradient& gradient, const Range& in_channels,
                   const Range& blocks) {
  WeightPart<kWinogradVariants[kVariant]>(gradient).Run(in_channels, blocks);
}

WinogradDataGradientPart DataPartOf(size_t variant) {
  return variant == kGradientVariantOf3x3 ? RunDataPart<kGradientVariantOf3x3>
                                          : RunDataPart<kGradientVariantOf5x5>;
}

WinogradWeightGradientPart WeightPartOf(size_t variant) {
  return variant == kGradientVariantOf3x3 ? RunWeightPart<kGradientVariantOf3x3>
                                          : RunWeightPart<kGradientVariantOf5x5>;
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

WinogradDataGradientPart GetWinogradDataGradientPart(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, DataPartOf)(variant);
}

WinogradWeightGradientPart GetWinogradWeightGradientPart(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, WeightPartOf)(variant);
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
