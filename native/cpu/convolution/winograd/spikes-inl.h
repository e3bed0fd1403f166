// Spikes, per Highway target: values of a patch that are too large for the transforms. They are
// removed from the patch and multiplied as in a direct convolution.

#if defined(CONVLSTM_CPU_CONVOLUTION_WINOGRAD_SPIKES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_SPIKES_INL_H_
#undef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_SPIKES_INL_H_
#else
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_SPIKES_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/convolution/winograd/patch-inl.h"
#include "cpu/convolution/winograd/product-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

// Values per spike below which a patch as a whole falls back to direct convolution. A spike alone
// costs about 48 cycles a group (some 4 pixels of 4 vectors, loaded and stored), 16 in a direct
// convolution, where every other value costs 16 too.
constexpr size_t kValuesPerSpike = 4;

struct Spike {
  uint32_t row, column;  // in the patch
  uint32_t channel;
  float value;
};

// The part of a tile's patch that V lacks: nothing, a range of spikes, or all of it.
struct LeftOver {
  bool whole = false;
  size_t first_spike = 0, end_spike = 0;
};

// The largest magnitude that may be transformed where inputs have any scale: eight times the mean
// of the patch, so that data of one scale are transformed whatever that is, and at least
// kLargestTransformed. Fewer than an eighth of the values are above it. Normal data reach eight
// times their mean once in 6 * 10^9 values, those of a rectifier once in 1,500; with five times the
// mean, one of these in 44 would be a spike. Infinities and NaN are left out of the mean.
template <WinogradVariant kVariant>
float SpikeLimit(const Patch& patch, size_t channels) {
  // Beyond it the transforms might overflow where a direct convolution does not.
  constexpr float kMost = 1e30f;
  const Tag d;
  const auto infinity = hn::Inf(d);
  auto sum = hn::Zero(d);
  for (size_t y = 0; y < kVariant.patch_rows(); ++y) {
    for (size_t x = 0; x < kVariant.patch_columns(); ++x) {
      const float* const pixel = patch.data + y * patch.row_stride + x * patch.pixel_stride;
      for (size_t channel = 0; channel < channels; channel += kLanes) {
        const auto mask = hn::FirstN(d, channels - channel);
        const auto magnitude = hn::Abs(hn::MaskedLoad(mask, d, pixel + channel));
        sum = hn::Add(sum, hn::IfThenElseZero(hn::Lt(magnitude, infinity), magnitude));
      }
    }
  }
  const float mean = hn::GetLane(hn::SumOfLanes(d, sum)) / (kVariant.products() * channels);
  return std::clamp(8 * mean, kLargestTransformed, kMost);
}

// Copies a patch to `scratch`, which may hold it already, with zeros in place of values above
// `limit`, and appends those to `spikes`. Returns false and appends nothing if there are more than
// `most`.
template <WinogradVariant kVariant>
bool SeparateSpikes(const Patch& patch, size_t channels, float limit, size_t most, float* scratch,
                    std::vector<Spike>& spikes) {
  const size_t before = spikes.size();
  const size_t row_floats = kVariant.patch_columns() * channels;
  for (uint32_t y = 0; y < kVariant.patch_rows(); ++y) {
    float* to = scratch + y * row_floats;
    for (uint32_t x = 0; x < kVariant.patch_columns(); ++x) {
      const float* from = patch.data + y * patch.row_stride + x * patch.pixel_stride;
      for (uint32_t channel = 0; channel < channels; ++channel) {
        const float value = *from++;
        const bool transformed = std::abs(value) <= limit;
        *to++ = transformed ? value : 0.0f;
        if (transformed) continue;
        if (spikes.size() - before == most) {
          spikes.resize(before);
          return false;
        }
        spikes.push_back({y, x, channel, value});
      }
    }
  }
  return true;
}

// Adds the direct convolution of a patch to the sums of a tile's pixels. The taps of a row and
// their channels are contiguous in the patch and in the weights: one product each.
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

// Adds the products of one spike to the sums of the pixels under whose kernel it lies.
// w: [tap row][tap column * channels + channel][row].
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

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_SPIKES_INL_H_
