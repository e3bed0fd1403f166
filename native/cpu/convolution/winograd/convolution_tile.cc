#include "cpu/convolution/winograd/convolution_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/winograd/convolution_tile.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <algorithm>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "core/divide_up.h"
#include "cpu/convolution/winograd/patch-inl.h"
#include "cpu/convolution/winograd/product-inl.h"
#include "cpu/convolution/winograd/spikes-inl.h"
#include "cpu/simd/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

// Tiles of a block. F(4x4, 3x3) has 295 KiB of V for 64 input channels and 295 KiB of M for 64
// output channels, which fit into L2; weights come from L3 once per block, 2 bytes per
// multiply-add of 16 lanes. 12 to 48 tiles differ by less than the noise of a
// busy Zen 3.
constexpr size_t kBlockTiles = 32;

template <WinogradVariant kVariant>
class Part {
 public:
  explicit Part(const WinogradConvolution& convolution)
      : c_(convolution),
        chunks_(DivideUp(c_.in_channels, kWinogradDepth)),
        patch_(Buffer::AllocateArray<float>(kProducts * kWinogradDepth)) {}

  void Run(const Range& tiles, const Range& groups) {
    const size_t count = tiles.end - tiles.begin;
    const size_t blocks = DivideUp(count, kBlockTiles);
    const size_t largest = DivideUp(count, blocks), group_count = groups.end - groups.begin;
    v_stride_ = largest * kWinogradDepth + kCacheLine / sizeof(float);
    m_stride_ = largest * kRow + kCacheLine / sizeof(float);
    v_ = Buffer::AllocateArray<float>(kProducts * v_stride_);
    m_ = Buffer::AllocateArray<float>((chunks_ > 1 ? group_count : 1) * kProducts * m_stride_);
    left_over_.resize(chunks_ * largest);
    for (size_t block = 0; block < blocks; ++block) {
      const Range range = SplitRange(count, static_cast<int>(block), static_cast<int>(blocks));
      RunBlock(tiles.begin + range.begin, range.end - range.begin, groups);
    }
  }

 private:
  static constexpr size_t kProducts = kVariant.products();

  void RunBlock(size_t first, size_t count, const Range& groups) {
    spikes_.clear();
    for (size_t chunk = 0; chunk < chunks_; ++chunk) {
      const Channels channels = ChunkOf(chunk);
      for (size_t tile = 0; tile < count; ++tile) {
        left_over_[tile * chunks_ + chunk] = TransformTile(
            PlaceOf(c_.tiling, first + tile), channels, v_.as<float>() + tile * kWinogradDepth);
      }
      for (int64_t group = groups.begin; group < groups.end; ++group) {
        float* const m =
            m_.as<float>() + (chunks_ > 1 ? group - groups.begin : 0) * kProducts * m_stride_;
        AddProducts(group, m, channels, count);
        if (chunk + 1 < chunks_) continue;
        for (size_t tile = 0; tile < count; ++tile) StoreTile(first + tile, tile, m, group);
      }
    }
  }

  Channels ChunkOf(size_t chunk) const {
    const size_t first = chunk * kWinogradDepth;
    return {c_.in_channels, first, std::min(kWinogradDepth, c_.in_channels - first)};
  }

  // Fills V of one tile and returns the spikes that it lacks.
  LeftOver TransformTile(const TilePlace& place, const Channels& channels, float* v) {
    float* const scratch = patch_.as<float>();
    const Patch patch =
        PatchOf<kVariant>(c_.tiling, place, c_.in[place.sequence], channels, scratch);
    const size_t count = channels.count, first = spikes_.size();
    const bool all_small = TransformPatch<kVariant>(patch, count, v, v_stride_);
    if (HWY_LIKELY(all_small) || c_.spike_weights == nullptr) return {};
    const float limit = SpikeLimit<kVariant>(patch, count);
    SeparateSpikes<kVariant>(patch, count, limit, kProducts * count, scratch, spikes_);
    if (spikes_.size() == first) return {};
    const size_t row = kVariant.patch_columns() * count;
    TransformPatch<kVariant>({scratch, row, count}, count, v, v_stride_);
    return {false, first, spikes_.size()};
  }

  // Adds the products of a chunk of input channels to M of one group.
  void AddProducts(size_t group, float* m, const Channels& channels, size_t count) {
    const float* w = c_.weights + (group * c_.in_channels + channels.first) * kProducts * kRow;
    const size_t parts = DivideUp(channels.count, c_.part_depth);
    const size_t steps = DivideUp(count, kTiles);
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

  void StoreTile(size_t tile, size_t in_block, const float* m, size_t group) {
    const Tag d;
    const TilePlace place = PlaceOf(c_.tiling, tile);
    HWY_ALIGN float sums[kSums];
    TransformProducts<kVariant>(m + in_block * kRow, m_stride_, c_.bias + group * kRow, sums);
    AddSpikes(in_block, group, sums);
    const size_t rows = std::min(kVariant.rows, c_.tiling.height - place.top);
    const size_t columns = std::min(kVariant.columns, c_.tiling.width - place.left);
    const size_t channels = std::min(kRow, c_.out_channels - group * kRow);
    for (size_t y = 0; y < rows; ++y) {
      float* to = c_.out[place.sequence] +
                  ((place.top + y) * c_.tiling.width + place.left) * c_.out_channels + group * kRow;
      const float* from = sums + y * kVariant.columns * kRow;
      for (size_t x = 0; x < columns; ++x, to += c_.out_channels, from += kRow) {
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

  // Spikes are summed apart: those that cancel each other then cost the sums no digits.
  void AddSpikes(size_t in_block, size_t group, float* sums) const {
    if (HWY_LIKELY(spikes_.empty())) return;
    HWY_ALIGN float of_spikes[kSums] = {};
    constexpr size_t kTaps = kVariant.taps * kVariant.taps;
    for (size_t chunk = 0; chunk < chunks_; ++chunk) {
      const LeftOver& left_over = left_over_[in_block * chunks_ + chunk];
      const float* const w =
          c_.spike_weights + (group * kTaps * c_.in_channels + chunk * kWinogradDepth) * kRow;
      for (size_t k = left_over.first_spike; k < left_over.end_spike; ++k) {
        AddSpike<kVariant>(spikes_[k], c_.in_channels, w, of_spikes);
      }
    }
    for (size_t k = 0; k < kSums; ++k) sums[k] += of_spikes[k];
  }

  static constexpr size_t kSums = kVariant.rows * kVariant.columns * kRow;

  const WinogradConvolution& c_;
  const size_t chunks_;  // of kWinogradDepth input channels
  const Buffer patch_;
  size_t v_stride_ = 0, m_stride_ = 0;  // from product to product
  Buffer v_;                            // [product][tile][kWinogradDepth]
  Buffer m_;                            // [group, if chunks_ > 1][product][tile][row]
  std::vector<LeftOver> left_over_;     // [tile of the block][chunk]
  std::vector<Spike> spikes_;           // all of the block
};

template <size_t kIndex>
void RunPart(const WinogradConvolution& convolution, const Range& tiles, const Range& groups) {
  Part<kWinogradVariants[kIndex]>(convolution).Run(tiles, groups);
}

template <size_t... kIndex>
WinogradConvolutionPart Select(size_t variant, std::index_sequence<kIndex...>) {
  static constexpr WinogradConvolutionPart kParts[] = {RunPart<kIndex>...};
  return kParts[variant];
}

}  // namespace

WinogradConvolutionPart ConvolutionPartOf(size_t variant) {
  return Select(variant, std::make_index_sequence<kWinogradVariants.size()>());
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

WinogradConvolutionPart GetWinogradConvolutionPart(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, ConvolutionPartOf)(variant);
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
