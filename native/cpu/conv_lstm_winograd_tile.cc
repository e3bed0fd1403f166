#include "cpu/conv_lstm_winograd_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_lstm_winograd_tile.cc"
#include "cpu/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "cpu/activations-inl.h"
#include "cpu/conv_lstm_winograd_transform-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

using Tag = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Tag>;

constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(float);
constexpr size_t kRow = 4 * kLanes;
constexpr size_t kCacheLine = 64;

// Into L1 and not into L2, which would lose V and M to a stream that is read once.
HWY_INLINE void PrefetchOnce(const void* address) {
#if HWY_COMPILER_MSVC
  hwy::Prefetch(address);
#else
  __builtin_prefetch(address, 0, 0);
#endif
}

// Tiles multiplied at once: 4 * kTiles accumulators, one broadcast each and one vector of weights
// fill 32 registers (24 + 6 + 1) or 16 (12 + 3 + 1).
constexpr size_t kTiles = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_EMU128 ? 3 : 6;

// A product of this depth is summed in registers before it joins the others. A float32 sum over all
// of 64 channels loses twice as much as the transforms do (1.96 times a direct convolution's error
// at depth 64, against 1.48 in parts of 32 and 1.26 in parts of 16); and the weights of a part,
// 8 KiB, stay in L1 for all tiles of a block. Without fused multiply-adds the parts are shorter.
constexpr size_t kPartDepth = HWY_TARGET == HWY_EMU128 ? 16 : 32;

// Tiles of a block, at most. The weights come from L3 once per block: 4 * 32 multiply-adds for
// every row of 4 vectors are 2 bytes a cycle on a core that does one 512-bit multiply-add a cycle.
// L1 (32 KiB) holds a part of the weights and its successor (8 KiB each) and the products of the
// block (8 KiB); V and M of 64 + 64 channels are 590 and 295 KiB of L2.
constexpr size_t kBlockTiles = 32;

// Larger values take the direct way: their rounding errors would be spread over all outputs of the
// tile, whose own sums may be small. With 6, an h of +-5 everywhere missed 1e-5 in F(4x2, 5x5) by a
// fifth. Of normally distributed data one value in 16,000 is above 4.
constexpr float kLargestTransformed = 4.0f;

// A patch with larger values in more than one of so many goes the direct way as a whole. A spike
// costs about 48 cycles a group one by one (some 4 pixels of 4 vectors, which are loaded and
// stored), 16 in a direct convolution, whose other values then cost 16 too.
constexpr size_t kValuesPerSpike = 4;

// A value of a patch that is too large to be transformed.
struct Spike {
  uint32_t row, column;  // in the patch
  uint32_t channel;
  float value;
};

// What V lacks of a tile's patch: nothing, some spikes, or all of it.
struct LeftOver {
  bool whole = false;
  size_t first_spike = 0, end_spike = 0;
};

// m[tile][0..kRow) = or += sum over depth of v[tile][k] * w[k][0..kRow).
template <size_t kCount>
HWY_INLINE void MultiplyTiles(const float* HWY_RESTRICT v, size_t v_stride,
                              const float* HWY_RESTRICT w, size_t depth, float* HWY_RESTRICT m,
                              bool accumulate) {
  const Tag d;
  Vector sums[kCount][4];
#pragma GCC unroll 8
  for (size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; ++q) sums[t][q] = hn::Zero(d);
  }
  for (size_t k = 0; k < depth; ++k, w += kRow) {
    Vector values[kCount];
#pragma GCC unroll 8
    for (size_t t = 0; t < kCount; ++t) values[t] = hn::Set(d, v[t * v_stride + k]);
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; ++q) {
      const auto weights = hn::Load(d, w + q * kLanes);
#pragma GCC unroll 8
      for (size_t t = 0; t < kCount; ++t) {
        sums[t][q] = hn::MulAdd(values[t], weights, sums[t][q]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; ++q) {
      float* out = m + t * kRow + q * kLanes;
      hn::Store(accumulate ? hn::Add(hn::Load(d, out), sums[t][q]) : sums[t][q], d, out);
    }
  }
}

HWY_NOINLINE void Multiply(size_t count, const float* v, size_t v_stride, const float* w,
                           size_t depth, float* m, bool accumulate) {
  switch (count) {
    case 1:
      return MultiplyTiles<1>(v, v_stride, w, depth, m, accumulate);
    case 2:
      return MultiplyTiles<2>(v, v_stride, w, depth, m, accumulate);
    case 3:
      return MultiplyTiles<3>(v, v_stride, w, depth, m, accumulate);
#if HWY_TARGET != HWY_AVX2 && HWY_TARGET != HWY_EMU128
    case 4:
      return MultiplyTiles<4>(v, v_stride, w, depth, m, accumulate);
    case 5:
      return MultiplyTiles<5>(v, v_stride, w, depth, m, accumulate);
    case 6:
      return MultiplyTiles<6>(v, v_stride, w, depth, m, accumulate);
#endif
  }
}

// A rectangle of pixels, channels-last; its rows need not follow each other.
struct Patch {
  const float* data;
  size_t row_stride;
};

// The upper left corner of what a tile writes.
struct TilePlace {
  size_t sequence;
  size_t top;
  size_t left;
};

HWY_INLINE TilePlace PlaceOf(const WinogradPlan& plan, size_t tile) {
  const size_t column = tile % plan.tile_columns;
  const size_t row = tile / plan.tile_columns;
  return {row / plan.tile_rows, row % plan.tile_rows * plan.variant.rows,
          column * plan.variant.columns};
}

// What the tile reads of `frame`: in place where it lies inside of the image, else a copy in
// `scratch` with zeros around.
template <WinogradVariant kVariant>
Patch PatchOf(const WinogradPlan& plan, const TilePlace& place, const float* frame, size_t channels,
              float* scratch) {
  constexpr ptrdiff_t kRows = kVariant.patch_rows(), kColumns = kVariant.patch_columns();
  const ptrdiff_t height = plan.shape.height, width = plan.shape.width;
  const ptrdiff_t top = static_cast<ptrdiff_t>(place.top) - kVariant.pad();
  const ptrdiff_t left = static_cast<ptrdiff_t>(place.left) - kVariant.pad();
  if (top >= 0 && left >= 0 && top + kRows <= height && left + kColumns <= width) {
    return {frame + (top * width + left) * channels, static_cast<size_t>(width) * channels};
  }
  const ptrdiff_t begin = std::max<ptrdiff_t>(0, -left);
  const ptrdiff_t end = std::min(kColumns, width - left);
  const size_t row_floats = kColumns * channels;
  for (ptrdiff_t y = 0; y < kRows; ++y) {
    float* row = scratch + y * row_floats;
    if (top + y < 0 || top + y >= height) {
      std::fill_n(row, row_floats, 0.0f);
      continue;
    }
    std::fill_n(row, begin * channels, 0.0f);
    std::memcpy(row + begin * channels, frame + ((top + y) * width + left + begin) * channels,
                (end - begin) * channels * sizeof(float));
    std::fill_n(row + end * channels, (kColumns - end) * channels, 0.0f);
  }
  return {scratch, row_floats};
}

// Transforms a patch into v[product][channel], `v_stride` values from product to product. The
// answer is false where it has a value above kLargestTransformed, or a NaN. Past the last channel
// up to kLanes - 1 zeros are written.
template <WinogradVariant kVariant>
bool TransformPatch(const Patch& patch, size_t channels, float* v, size_t v_stride) {
  using Rows = WinogradAxis<kVariant.rows, kVariant.taps>;
  using Columns = WinogradAxis<kVariant.columns, kVariant.taps>;
  const Tag d;
  const hn::RebindToSigned<Tag> di;
  // As integers, magnitudes compare like floats and NaN is the largest.
  auto magnitude = hn::Zero(di);
  for (size_t channel = 0; channel < channels; channel += kLanes) {
    const bool tail = channel + kLanes > channels;
    const auto mask = hn::FirstN(d, channels - channel);
    Vector half[Rows::kPoints][Columns::kPoints];
#pragma GCC unroll 8
    for (size_t x = 0; x < Columns::kPoints; ++x) {
      Vector inputs[Rows::kPoints], products[Rows::kPoints];
      const float* from = patch.data + x * channels + channel;
#pragma GCC unroll 8
      for (size_t y = 0; y < Rows::kPoints; ++y) {
        const float* pixel = from + y * patch.row_stride;
        inputs[y] = HWY_UNLIKELY(tail) ? hn::MaskedLoad(mask, d, pixel) : hn::LoadU(d, pixel);
        magnitude = hn::Max(magnitude, hn::BitCast(di, hn::Abs(inputs[y])));
      }
      TransformInput<Rows>(d, inputs, products);
#pragma GCC unroll 8
      for (size_t y = 0; y < Rows::kPoints; ++y) half[y][x] = products[y];
    }
#pragma GCC unroll 8
    for (size_t y = 0; y < Rows::kPoints; ++y) {
      Vector products[Columns::kPoints];
      TransformInput<Columns>(d, half[y], products);
      float* to = v + y * Columns::kPoints * v_stride + channel;
#pragma GCC unroll 8
      for (size_t x = 0; x < Columns::kPoints; ++x, to += v_stride) {
        hn::StoreU(products[x], d, to);
      }
    }
  }
  const auto limit = hn::BitCast(di, hn::Set(d, kLargestTransformed));
  return hn::AllFalse(di, hn::Gt(magnitude, limit));
}

// Copies a patch to `scratch`, where it may lie already, with zeros for its spikes, which are
// appended to `spikes`. False, and nothing appended, when they are too many.
template <WinogradVariant kVariant>
bool SeparateSpikes(const Patch& patch, size_t channels, float* scratch,
                    std::vector<Spike>& spikes) {
  const size_t before = spikes.size();
  const size_t row_floats = kVariant.patch_columns() * channels;
  const size_t most = before + kVariant.patch_rows() * row_floats / kValuesPerSpike;
  for (uint32_t y = 0; y < kVariant.patch_rows(); ++y) {
    const float* from = patch.data + y * patch.row_stride;
    float* to = scratch + y * row_floats;
    for (uint32_t x = 0; x < kVariant.patch_columns(); ++x) {
      for (uint32_t channel = 0; channel < channels; ++channel) {
        const float value = *from++;
        const bool transformed = std::abs(value) <= kLargestTransformed;
        *to++ = transformed ? value : 0.0f;
        if (transformed) continue;
        if (spikes.size() == most) {
          spikes.resize(before);
          return false;
        }
        spikes.push_back({y, x, channel, value});
      }
    }
  }
  return true;
}

// Adds the direct convolution of a patch to the sums of a tile's pixels. The taps of one row and
// their channels lie side by side in the patch as in the weights, so this is the same product.
template <WinogradVariant kVariant>
void AddDirect(const Patch& patch, size_t channels, const float* w, float* sums) {
  const size_t depth = kVariant.taps * channels;
  for (size_t y = 0; y < kVariant.rows; ++y) {
    for (size_t tap = 0; tap < kVariant.taps; ++tap) {
      const float* row = patch.data + (y + tap) * patch.row_stride;
      for (size_t x = 0; x < kVariant.columns; x += kTiles) {
        Multiply(std::min(kTiles, kVariant.columns - x), row + x * channels, channels,
                 w + tap * depth * kRow, depth, sums + (y * kVariant.columns + x) * kRow, true);
      }
    }
  }
}

// Adds the products of one value of a patch to the sums of the pixels that see it. `w` is
// [tap row][tap column * channels + channel][row].
template <WinogradVariant kVariant>
void AddSpike(const Spike& spike, size_t channels, const float* w, float* sums) {
  const Tag d;
  const auto value = hn::Set(d, spike.value);
  for (size_t y = 0; y < kVariant.rows; ++y) {
    if (spike.row < y || spike.row - y >= kVariant.taps) continue;
    for (size_t x = 0; x < kVariant.columns; ++x) {
      if (spike.column < x || spike.column - x >= kVariant.taps) continue;
      const size_t tap = (spike.row - y) * kVariant.taps + spike.column - x;
      const float* weights = w + (tap * channels + spike.channel) * kRow;
      float* sum = sums + (y * kVariant.columns + x) * kRow;
      for (size_t k = 0; k < kRow; k += kLanes) {
        hn::Store(hn::MulAdd(value, hn::Load(d, weights + k), hn::Load(d, sum + k)), d, sum + k);
      }
    }
  }
}

// sums[pixel][gate] = bias + the output transform of m[product][gate], `m_stride` floats from
// product to product.
template <WinogradVariant kVariant>
void TransformProducts(const float* m, size_t m_stride, const float* bias, float* sums) {
  using Rows = WinogradAxis<kVariant.rows, kVariant.taps>;
  using Columns = WinogradAxis<kVariant.columns, kVariant.taps>;
  const Tag d;
  for (size_t q = 0; q < 4; ++q, m += kLanes, bias += kLanes, sums += kLanes) {
    Vector half[Rows::kOutputs][Columns::kPoints];
#pragma GCC unroll 8
    for (size_t x = 0; x < Columns::kPoints; ++x) {
      Vector products[Rows::kPoints], outputs[Rows::kOutputs];
#pragma GCC unroll 8
      for (size_t y = 0; y < Rows::kPoints; ++y) {
        products[y] = hn::Load(d, m + (y * Columns::kPoints + x) * m_stride);
      }
      TransformOutput<Rows>(d, products, outputs);
#pragma GCC unroll 8
      for (size_t y = 0; y < Rows::kOutputs; ++y) half[y][x] = outputs[y];
    }
    const auto offset = hn::Load(d, bias);
#pragma GCC unroll 8
    for (size_t y = 0; y < Rows::kOutputs; ++y) {
      Vector outputs[Columns::kOutputs];
      TransformOutput<Columns>(d, half[y], outputs);
#pragma GCC unroll 8
      for (size_t x = 0; x < Columns::kOutputs; ++x) {
        hn::Store(hn::Add(offset, outputs[x]), d, sums + (y * Columns::kOutputs + x) * kRow);
      }
    }
  }
}

// The new state of `count` pixels of a row, from `pixel` on, of the group that begins at `channel`.
// Not a template of the variant: the update is the larger part of the code.
HWY_NOINLINE void UpdatePixels(const PackedPeepholes& peepholes, const float* sums, size_t count,
                               const ConvLstmStep& step, size_t sequence, size_t pixel,
                               size_t channel, size_t hidden) {
  const Tag d;
  for (; count > 0; --count, ++pixel, sums += kRow) {
    const GateSums<Tag> gates = {hn::Load(d, sums), hn::Load(d, sums + kLanes),
                                 hn::Load(d, sums + 2 * kLanes), hn::Load(d, sums + 3 * kLanes)};
    const CellPointers at = peepholes.At(step, sequence, pixel, channel);
    if (hidden - channel >= kLanes) {
      CellUpdate(d, gates, at);
    } else {
      CellUpdateTail(d, gates, at, hidden - channel);
    }
  }
}

// One part of a step. The tiles go in blocks: V of a block (all its transformed values) is made
// once; then per group of channels the products M, and from them at once the new state.
template <WinogradVariant kVariant>
class Part {
 public:
  Part(const WinogradPlan& plan, const WinogradWeights& weights, const ConvLstmStep& step)
      : plan_(plan),
        weights_(weights),
        step_(step),
        depth_begin_(step.h_in == nullptr ? plan.hidden : 0),
        v_tile_stride_(plan.hidden + (plan.input + kLanes - 1) / kLanes * kLanes) {}

  void Run(const Range& tiles, const Range& groups) {
    const size_t count = tiles.end - tiles.begin;
    const size_t blocks = (count + kBlockTiles - 1) / kBlockTiles;
    const size_t largest = (count + blocks - 1) / blocks;
    // 64 bytes more than a multiple of 4 KiB, so that the products of a tile do not meet in one set
    // of the cache.
    m_stride_ = largest * kRow + kCacheLine / sizeof(float);
    v_stride_ = largest * v_tile_stride_;
    v_buffer_ = Buffer::AllocateArray<float>(kProducts * v_stride_);
    m_buffer_ = Buffer::AllocateArray<float>(kProducts * m_stride_);
    left_over_.resize(largest * kWinogradSources);
    patch_buffer_ = Buffer::AllocateArray<float>(kProducts * std::max(plan_.hidden, plan_.input));
    for (size_t block = 0; block < blocks; ++block) {
      const Range range = SplitRange(count, static_cast<int>(block), static_cast<int>(blocks));
      const size_t first = tiles.begin + range.begin, in_block = range.end - range.begin;
      spikes_.clear();
      for (size_t tile = 0; tile < in_block; ++tile) TransformTile(first + tile, tile);
      for (int64_t group = groups.begin; group < groups.end; ++group) {
        MultiplyBlock(group, in_block);
        for (size_t tile = 0; tile < in_block; ++tile) {
          if (tile + 1 < in_block) PrefetchState(first + tile + 1, group);
          UpdateTile(first + tile, tile, group);
        }
      }
    }
  }

 private:
  static constexpr size_t kProducts = kVariant.products();

  void TransformTile(size_t tile, size_t in_block) {
    const TilePlace place = PlaceOf(plan_, tile);
    float* v = v_buffer_.as<float>() + in_block * v_tile_stride_;
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
    if (!SeparateSpikes<kVariant>(patch, channels, scratch, spikes_)) {
      for (size_t k = 0; k < kProducts; ++k) std::fill_n(v + k * v_stride_, channels, 0.0f);
      return {true, first, first};
    }
    TransformPatch<kVariant>({scratch, kVariant.patch_columns() * channels}, channels, v,
                             v_stride_);
    return {false, first, spikes_.size()};
  }

  Patch PatchFrom(WinogradSource source, const TilePlace& place) {
    const float* frame =
        source == kFromHidden ? step_.h_in[place.sequence] : step_.x[place.sequence];
    return PatchOf<kVariant>(plan_, place, frame, plan_.channels(source),
                             patch_buffer_.as<float>());
  }

  // M of one group: for each product, parts of the depth outermost, so that their weights stay in
  // L1. The next part's weights, which follow in memory, are fetched meanwhile.
  void MultiplyBlock(size_t group, size_t in_block) {
    const size_t depth = plan_.depth - depth_begin_;
    const size_t parts = std::max<size_t>(1, (depth + kPartDepth / 2) / kPartDepth);
    const size_t tile_steps = (in_block + kTiles - 1) / kTiles;
    for (size_t product = 0; product < kProducts; ++product) {
      const float* w =
          weights_.transformed.as<float>() + (group * kProducts + product) * plan_.depth * kRow;
      const float* v = v_buffer_.as<float>() + product * v_stride_;
      float* m = m_buffer_.as<float>() + product * m_stride_;
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

  // A tile's lines of c and h_out are scattered: the hardware does not foresee them.
  void PrefetchState(size_t tile, size_t group) const {
    const TilePlace place = PlaceOf(plan_, tile);
    for (size_t y = 0; y < RowsOf(place); ++y) {
      for (size_t x = 0; x < ColumnsOf(place); ++x) {
        const size_t element = PixelOf(place, y, x) * plan_.hidden + group * kLanes;
        hwy::Prefetch((step_.c_in == nullptr ? step_.c : step_.c_in)[place.sequence] + element);
        hwy::Prefetch(step_.h_out[place.sequence] + element);
      }
    }
  }

  void UpdateTile(size_t tile, size_t in_block, size_t group) {
    const TilePlace place = PlaceOf(plan_, tile);
    HWY_ALIGN float sums[kVariant.rows * kVariant.columns * kRow];
    TransformProducts<kVariant>(m_buffer_.as<float>() + in_block * kRow, m_stride_,
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
      UpdatePixels(weights_.peepholes, sums + y * kVariant.columns * kRow, ColumnsOf(place), step_,
                   place.sequence, PixelOf(place, y, 0), group * kLanes, plan_.hidden);
    }
  }

  // Summed from zero first: spikes that cancel each other then cost the sums no digits.
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
  const size_t depth_begin_;    // after the channels of h where h is zero
  const size_t v_tile_stride_;  // values from tile to tile of V, [product][tile][depth]
  size_t v_stride_ = 0;         // from product to product
  size_t m_stride_ = 0;         // likewise of M, [product][tile][row]
  Buffer v_buffer_, m_buffer_;
  Buffer patch_buffer_;
  std::vector<LeftOver> left_over_;  // [tile][source] of the block
  std::vector<Spike> spikes_;        // of the block
};

template <size_t kIndex>
void RunPart(const WinogradPlan& plan, const WinogradWeights& weights, const ConvLstmStep& step,
             const Range& tiles, const Range& groups) {
  Part<kWinogradVariants[kIndex]>(plan, weights, step).Run(tiles, groups);
}

template <size_t... kIndex>
WinogradPart PartOf(size_t variant, std::index_sequence<kIndex...>) {
  static constexpr WinogradPart kParts[] = {RunPart<kIndex>...};
  return kParts[variant];
}

WinogradPart PartOfVariant(size_t variant) {
  return PartOf(variant, std::make_index_sequence<kWinogradVariants.size()>());
}

size_t LanesOfTarget() { return kLanes; }

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

WinogradPart GetWinogradPart(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, PartOfVariant)(variant);
}

size_t WinogradLanes(Isa isa) { return CONVLSTM_SIMD(isa, LanesOfTarget)(); }

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
