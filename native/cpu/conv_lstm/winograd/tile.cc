#include "cpu/conv_lstm/winograd/tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_lstm/winograd/tile.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/conv_lstm/cell-inl.h"
#include "cpu/conv_lstm/lstm_cell-inl.h"
#include "cpu/convolution/winograd/patch-inl.h"
#include "cpu/convolution/winograd/product-inl.h"
#include "cpu/convolution/winograd/spikes-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

static_assert(kRow == kRowVectors * kLanes);

// Updates `count` pixels of a row from `pixel` on, for the group that begins at `channel`. Not a
// template of the variant: the update is the larger part of the code.
template <class Cell>
HWY_NOINLINE void UpdatePixels(const PackedPeepholes& peepholes, const float* sums, size_t count,
                               const ConvLstmStep& step, size_t sequence, size_t pixel,
                               size_t channel, size_t hidden) {
  constexpr size_t kGroupChannels = kRow / Cell::kGates;
  static_assert(kGroupChannels % kLanes == 0);
  const Tag d;
  for (size_t k = 0; k < kGroupChannels && channel + k < hidden; k += kLanes) {
    for (size_t p = 0; p < count; ++p) {
      Vector gates[Cell::kGates];
      CONVLSTM_UNROLL
      for (size_t q = 0; q < Cell::kGates; ++q) {
        gates[q] = hn::Load(d, sums + p * kRow + q * kGroupChannels + k);
      }
      UpdateCell<Cell>(d, gates, peepholes.At<Cell>(step, sequence, pixel + p, channel + k),
                       hidden - channel - k);
    }
  }
}

// One thread's part of a step. V, the transformed values, is made once a block of tiles; then,
// group by group, the products M and from them the new state.
template <class Cell, WinogradVariant kVariant>
class Part {
 public:
  Part(const WinogradPlan& plan, const WinogradWeights& weights, const ConvLstmStep& step)
      : plan_(plan),
        weights_(weights),
        step_(step),
        depth_begin_(step.h_in == nullptr ? plan.hidden : 0),
        v_tile_stride_(plan.v_tile_stride()) {}

  void Run(WinogradItems& items, int part) {
    auto item = items.Take(part);
    if (!item) return;
    Allocate(items.tiles_of_largest_block());
    for (int64_t block = -1; item; item = items.Take(part)) {
      const Range tiles = items.TilesOf(item->block);
      if (item->block != block) TransformBlock(tiles);
      block = item->block;
      RunGroup(tiles, item->group);
    }
  }

 private:
  static constexpr size_t kProducts = kVariant.products();
  static constexpr size_t kGroupChannels = kRow / Cell::kGates;

  void Allocate(size_t tiles) {
    // A cache line more than a multiple of 4 KiB: the products of a tile then spread over the sets
    // of the cache.
    m_stride_ = tiles * kRow + kCacheLine / sizeof(float);
    v_stride_ = tiles * v_tile_stride_;
    const size_t v_floats = (kProducts * v_stride_ + kLanes - 1) / kLanes * kLanes;
    scratch_ = Buffer::AllocateArray<float>(v_floats + kProducts * m_stride_);
    v_ = scratch_.as<float>();
    m_ = v_ + v_floats;
    left_over_.resize(tiles * kWinogradSources);
    patch_buffer_ = Buffer::AllocateArray<float>(kProducts * std::max(plan_.hidden, plan_.input));
  }

  void TransformBlock(const Range& tiles) {
    spikes_.clear();
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      TransformTile(tile, tile - tiles.begin);
    }
  }

  void RunGroup(const Range& tiles, size_t group) {
    MultiplyBlock(group, tiles.end - tiles.begin);
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      if (tile + 1 < tiles.end) PrefetchState(tile + 1, group);
      UpdateTile(tile, tile - tiles.begin, group);
    }
  }

  void TransformTile(size_t tile, size_t in_block) {
    const TilePlace place = PlaceOf(plan_, tile);
    float* v = v_ + in_block * v_tile_stride_;
    LeftOver* left_over = left_over_.data() + in_block * kWinogradSources;
    left_over[kFromHidden] =
        step_.h_in == nullptr ? LeftOver{} : TransformSource(kFromHidden, place, v);
    left_over[kFromInput] = TransformSource(kFromInput, place, v + plan_.hidden);
  }

  LeftOver TransformSource(WinogradSource source, const TilePlace& place, float* v) {
    const size_t channels = plan_.channels(source);
    const Patch patch = PatchFrom(source, place);
    if (HWY_LIKELY(TransformPatch<kVariant>(patch, channels, v, v_stride_))) return {};
    const size_t first = spikes_.size();
    float* scratch = patch_buffer_.as<float>();
    if (!SeparateSpikes<kVariant>(patch, channels, kLargestTransformed,
                                  kProducts * channels / kValuesPerSpike, scratch, spikes_)) {
      for (size_t k = 0; k < kProducts; ++k) std::fill_n(v + k * v_stride_, channels, 0.0f);
      return {true, first, first};
    }
    TransformPatch<kVariant>({scratch, kVariant.patch_columns() * channels, channels}, channels, v,
                             v_stride_);
    return {false, first, spikes_.size()};
  }

  Patch PatchFrom(WinogradSource source, const TilePlace& place) {
    const float* frame =
        source == kFromHidden ? step_.h_in[place.sequence] : step_.x[place.sequence];
    const size_t channels = plan_.channels(source);
    return PatchOf<kVariant>(plan_, place, frame, {channels, 0, channels},
                             patch_buffer_.as<float>());
  }

  // M of one group: parts of the depth outermost, so that a part's weights stay in L1. The weights
  // of the next part, next in memory, are prefetched meanwhile.
  void MultiplyBlock(size_t group, size_t in_block) {
    const size_t depth = plan_.depth - depth_begin_;
    const size_t parts = std::max<size_t>(1, (depth + kPartDepth / 2) / kPartDepth);
    const size_t tile_steps = (in_block + kTiles - 1) / kTiles;
    for (size_t product = 0; product < kProducts; ++product) {
      const float* w =
          weights_.transformed.as<float>() + (group * kProducts + product) * plan_.depth * kRow;
      const float* v = v_ + product * v_stride_;
      float* m = m_ + product * m_stride_;
      for (size_t part = 0; part < parts; ++part) {
        const size_t begin = depth_begin_ + depth * part / parts;
        const size_t end = depth_begin_ + depth * (part + 1) / parts;
        const char* next = reinterpret_cast<const char*>(w + end * kRow);
        const size_t lines = (end - begin) * kRow * sizeof(float) / kCacheLine;
        for (size_t s = 0; s < tile_steps; ++s) {
          for (size_t line = lines * s / tile_steps; line < lines * (s + 1) / tile_steps; ++line) {
            PrefetchOnce(next + line * kCacheLine);
          }
          const size_t tile = in_block * s / tile_steps;
          const size_t count = in_block * (s + 1) / tile_steps - tile;
          Multiply(count, v + tile * v_tile_stride_ + begin, v_tile_stride_, w + begin * kRow,
                   end - begin, m + tile * kRow, part > 0);
        }
      }
    }
  }

  size_t PixelOf(const TilePlace& place, size_t y, size_t x) const {
    return (place.top + y) * plan_.shape.width + place.left + x;
  }
  size_t RowsOf(const TilePlace& place) const {
    return std::min<size_t>(kVariant.rows, plan_.shape.height - place.top);
  }
  size_t ColumnsOf(const TilePlace& place) const {
    return std::min<size_t>(kVariant.columns, plan_.shape.width - place.left);
  }

  // A tile's lines of c and h_out are scattered, beyond the hardware's prefetchers.
  void PrefetchState(size_t tile, size_t group) const {
    const TilePlace place = PlaceOf(plan_, tile);
    const float* c = step_.c[place.sequence];
    const float* c_in = step_.c_in == nullptr ? c : step_.c_in[place.sequence];
    for (size_t y = 0; y < RowsOf(place); ++y) {
      for (size_t x = 0; x < ColumnsOf(place); ++x) {
        const size_t element = PixelOf(place, y, x) * plan_.hidden + group * kGroupChannels;
        hwy::Prefetch(c_in + element);
        if (c_in != c) hwy::Prefetch(c + element);
        hwy::Prefetch(step_.h_out[place.sequence] + element);
      }
    }
  }

  void UpdateTile(size_t tile, size_t in_block, size_t group) {
    const TilePlace place = PlaceOf(plan_, tile);
    HWY_ALIGN float sums[kVariant.rows * kVariant.columns * kRow];
    TransformProducts<kVariant>(m_ + in_block * kRow, m_stride_,
                                weights_.bias.as<float>() + group * kRow, sums);
    for (const WinogradSource source : {kFromHidden, kFromInput}) {
      const LeftOver& left_over = left_over_[in_block * kWinogradSources + source];
      const size_t channels = plan_.channels(source);
      const float* w = weights_.direct[source].as<float>() +
                       group * kVariant.taps * kVariant.taps * channels * kRow;
      if (HWY_UNLIKELY(left_over.whole)) {
        AddDirect<kVariant>(PatchFrom(source, place), channels, w, sums);
      }
      AddSpikes(left_over, channels, w, sums);
    }
    for (size_t y = 0; y < RowsOf(place); ++y) {
      UpdatePixels<Cell>(weights_.peepholes, sums + y * kVariant.columns * kRow, ColumnsOf(place),
                         step_, place.sequence, PixelOf(place, y, 0), group * kGroupChannels,
                         plan_.hidden);
    }
  }

  // Spikes are summed apart, from zero: where they cancel, the sums lose no digits.
  void AddSpikes(const LeftOver& left_over, size_t channels, const float* w, float* sums) const {
    if (HWY_LIKELY(left_over.first_spike == left_over.end_spike)) return;
    constexpr size_t kSums = kVariant.rows * kVariant.columns * kRow;
    HWY_ALIGN float of_spikes[kSums] = {};
    for (size_t spike = left_over.first_spike; spike < left_over.end_spike; ++spike) {
      AddSpike<kVariant>(spikes_[spike], channels, w, of_spikes);
    }
    for (size_t k = 0; k < kSums; ++k) sums[k] += of_spikes[k];
  }

  const WinogradPlan& plan_;
  const WinogradWeights& weights_;
  const ConvLstmStep& step_;
  const size_t depth_begin_;    // skips the channels of h where h is zero
  const size_t v_tile_stride_;  // floats from tile to tile of V, [product][tile][depth]
  size_t v_stride_ = 0;         // floats from product to product of V
  size_t m_stride_ = 0;         // floats from product to product of M, [product][tile][row]
  Buffer scratch_;
  float *v_ = nullptr, *m_ = nullptr;
  Buffer patch_buffer_;
  std::vector<LeftOver> left_over_;  // [tile of the block][source]
  std::vector<Spike> spikes_;        // of the block's tiles
};

template <class Cell, size_t kIndex>
void RunPart(const WinogradPlan& plan, const WinogradWeights& weights, const ConvLstmStep& step,
             WinogradItems& items, int part) {
  Part<Cell, kWinogradVariants[kIndex]>(plan, weights, step).Run(items, part);
}

template <class Cell, size_t... kIndex>
WinogradPart PartOf(size_t variant, std::index_sequence<kIndex...>) {
  static constexpr WinogradPart kParts[] = {RunPart<Cell, kIndex>...};
  return kParts[variant];
}

template <class Cell>
WinogradPart PartOfVariant(size_t variant) {
  return PartOf<Cell>(variant, std::make_index_sequence<kWinogradVariants.size()>());
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

template <class Cell>
WinogradPart GetWinogradPart(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, PartOfVariant<Cell>)(variant);
}
template WinogradPart GetWinogradPart<LstmCell>(Isa isa, size_t variant);

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
