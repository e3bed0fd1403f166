// The driver of Winograd convolutions: chooses a variant, packs weights, divides tiles and groups
// among threads.
#include "cpu/convolution/winograd/convolution.h"

#include <algorithm>
#include <vector>

#include "core/buffer.h"
#include "core/divide_up.h"
#include "cpu/convolution/winograd/convolution_tile.h"
#include "cpu/convolution/winograd/filter.h"
#include "cpu/threads/cheapest_split.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

// Time of a patch's input transform over that of its products with one group: 370 cycles against
// 2,304 for F(4x4, 3x3) and a vector of 16 channels.
constexpr double kTransformShare = 0.16;

class WinogradPacked final : public PackedConvolution {
 public:
  WinogradPacked(const ConvolutionShape& shape, const ConvolutionWeight& weight, size_t variant,
                 bool separates_spikes, Isa isa, ThreadPool& pool)
      : variant_(variant),
        part_(GetWinogradConvolutionPart(isa, variant)),
        row_(4 * WinogradLanes(isa)),
        groups_(DivideUp(shape.out_channels, row_)),
        // The forward pass without fused multiply-adds takes shorter parts (kPartDepth).
        part_depth_(separates_spikes && SimdIsa(isa) == Isa::kPortable ? 16 : 32) {
    const size_t taps = shape.taps(), products = kWinogradVariants[variant].products();
    const size_t rows = groups_ * shape.in_channels;
    weights_ = Buffer::AllocateArray<float>(rows * products * row_);
    if (separates_spikes) spike_weights_ = Buffer::AllocateArray<float>(rows * taps * row_);
    const WinogradFilterTransform transform = GetWinogradFilterTransform(isa, variant);
    ParallelFor(pool, rows, products * row_ * taps, [&](Range range) {
      std::vector<double> filter(taps * row_), transformed(products * row_);
      for (int64_t k = range.begin; k < range.end; ++k) {
        const size_t group = k / shape.in_channels, channel = k % shape.in_channels;
        Gather(shape, weight, group, channel, filter.data());
        if (separates_spikes) StoreSpikeWeights(shape, group, channel, filter.data());
        transform(filter.data(), row_, transformed.data());
        StoreTransformed(shape, group, channel, transformed.data());
      }
    });
  }

  void Run(const ConvolutionShape& shape, const ConvolutionFrames& frames, const float* bias,
           ThreadPool& pool) const override {
    const WinogradTiling tiling(kWinogradVariants[variant_], frames.count, shape.in_height,
                                shape.in_width);
    const Buffer biases = Buffer::AllocateArray<float>(groups_ * row_);
    std::fill_n(biases.as<float>(), groups_ * row_, 0.0f);
    if (bias != nullptr) std::copy_n(bias, shape.out_channels, biases.as<float>());
    const WinogradConvolution convolution = {tiling,
                                             static_cast<size_t>(shape.in_channels),
                                             static_cast<size_t>(shape.out_channels),
                                             weights_.as<float>(),
                                             spike_weights_ ? spike_weights_.as<float>() : nullptr,
                                             biases.as<float>(),
                                             part_depth_,
                                             frames.in,
                                             frames.out};
    // A row of weights from L3 takes as long as its products with 4 tiles.
    constexpr double kTilesPerRow = 4;
    const ThreadSplit split =
        CheapestSplit(pool.threads(), [&](int64_t by_tiles, int64_t by_groups) {
          const double tiles = DivideUp(tiling.tiles, by_tiles);
          const double groups = DivideUp(groups_, by_groups);
          return tiles * (groups + kTransformShare) + kTilesPerRow * groups;
        });
    pool.Run([&](int part) {
      const Range tiles = SplitRange(tiling.tiles, part / split.second, split.first);
      const Range groups = SplitRange(groups_, part % split.second, split.second);
      if (tiles.begin == tiles.end || groups.begin == groups.end) return;
      part_(convolution, tiles, groups);
    });
  }

 private:
  // filter[tap][row] of one input channel of one group.
  void Gather(const ConvolutionShape& s, const ConvolutionWeight& weight, size_t group,
              size_t in_channel, double* filter) const {
    const size_t channels = std::min<size_t>(row_, s.out_channels - group * row_);
    std::fill_n(filter, s.taps() * row_, 0.0);
    const float* from = weight.data + static_cast<int64_t>(group * row_) * weight.out_stride +
                        static_cast<int64_t>(in_channel) * weight.in_stride;
    for (size_t channel = 0; channel < channels; ++channel, from += weight.out_stride) {
      double* to = filter + channel;
      for (int64_t y = 0; y < s.kernel_height; ++y) {
        for (int64_t x = 0; x < s.kernel_width; ++x, to += row_) {
          *to = from[y * weight.tap_y_stride + x * weight.tap_x_stride];
        }
      }
    }
  }

  void StoreSpikeWeights(const ConvolutionShape& s, size_t group, size_t in_channel,
                         const double* filter) {
    const size_t taps = s.taps();
    for (size_t tap = 0; tap < taps; ++tap) {
      float* const to =
          spike_weights_.as<float>() + ((group * taps + tap) * s.in_channels + in_channel) * row_;
      std::copy_n(filter + tap * row_, row_, to);
    }
  }

  void StoreTransformed(const ConvolutionShape& s, size_t group, size_t in_channel,
                        const double* transformed) {
    const size_t products = kWinogradVariants[variant_].products();
    const size_t part = in_channel / kWinogradDepth * kWinogradDepth;
    const size_t part_depth = std::min<size_t>(kWinogradDepth, s.in_channels - part);
    float* to = weights_.as<float>() + (group * s.in_channels + part) * products * row_ +
                (in_channel - part) * row_;
    for (size_t product = 0; product < products; ++product, to += part_depth * row_) {
      std::copy_n(transformed + product * row_, row_, to);
    }
  }

  const size_t variant_;
  const WinogradConvolutionPart part_;
  const size_t row_;
  const size_t groups_;
  const size_t part_depth_;
  Buffer weights_, spike_weights_;  // as in WinogradConvolution
};

// Whether a variant keeps a precision's bound (test/native/convolution_test.cc).
bool Keeps(const WinogradVariant& variant, Precision precision, Isa isa) {
  if (precision != Precision::kHighest) return true;
  // Without fused multiply-adds the larger transforms of 5x5 lose too much.
  return variant.products() <= (SimdIsa(isa) == Isa::kPortable ? 36 : 48);
}

// Time per input channel, in multiply-adds of a vector by a direct convolution. Reading the weights
// counts as one tile more; the output transform and memory add a fifth; the input transform is
// shared by the groups. It weighs more on 16 registers (AVX2, portable), which do not hold a column
// of a patch, and on short vectors.
//
// Fitted to a busy Zen 3 with AVX2, processor time of one thread, direct convolution over Winograd:
//   64 -> 64, 3x3, images of 2, 3, 4, 5, 8, 16 squared: 0.85, 0.82, 1.5, 1.2, 1.7, 2.2
//   64 -> 64, 5x5, the same images:                     0.92, 1.1, 1.5, 1.5, 2.5, 3.1
//   1 to 64 -> 1 or 8:  0.8 to 1.3;  -> 16: 0.8 to 1.4;  -> 32: 1.6 to 2.5;  64 -> 256: 2.9
double ForwardCost(const WinogradVariant& v, size_t tiles, double groups, Isa isa) {
  const Isa simd = SimdIsa(isa);
  const bool few_registers = simd == Isa::kAvx2 || simd == Isa::kPortable;
  const double products = static_cast<double>(v.products());
  const double transform = products / (few_registers ? 25.0 : 12.5 * WinogradLanes(isa));
  return products * static_cast<double>(tiles + 1) * 4 * (1.2 * groups + transform);
}

}  // namespace

std::string WinogradName(size_t variant) {
  const WinogradVariant& v = kWinogradVariants[variant];
  const auto by = [](size_t a, size_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  return "winograd-f" + by(v.rows, v.columns) + "-" + by(v.taps, v.taps);
}

bool WinogradServes(const ConvolutionShape& s) {
  const int64_t taps = s.kernel_height;
  return (taps == 3 || taps == 5) && s.kernel_width == taps && s.stride_y == 1 && s.stride_x == 1 &&
         s.dilation_y == 1 && s.dilation_x == 1 && s.spread_y == 1 && s.spread_x == 1 &&
         s.pad_top == taps / 2 && s.pad_left == taps / 2 && s.out_height == s.in_height &&
         s.out_width == s.in_width;
}

bool WinogradGradientPays(const ConvolutionShape& s, size_t vectors, size_t direct_vectors) {
  constexpr double kDearer = 1.35;
  const WinogradVariant& v = kWinogradVariants[WinogradGradientVariant(s.kernel_height)];
  const size_t tiles = DivideUp(s.in_height, v.rows) * DivideUp(s.in_width, v.columns);
  return kDearer * tiles * v.products() * vectors <
         static_cast<double>(s.in_height * s.in_width * s.taps() * direct_vectors);
}

std::optional<size_t> FindWinogradForward(const ConvolutionShape& s, int64_t frames,
                                          Precision precision, Isa isa) {
  if (!WinogradServes(s)) return std::nullopt;
  const size_t lanes = WinogradLanes(isa);
  const double groups = DivideUp(s.out_channels, 4 * lanes);
  const double direct_vectors = DivideUp(s.out_channels, lanes);
  std::optional<size_t> best;
  double least =
      static_cast<double>(frames * s.out_height * s.out_width * s.taps()) * direct_vectors;
  for (size_t variant = 0; variant < kWinogradVariants.size(); ++variant) {
    const WinogradVariant& v = kWinogradVariants[variant];
    if (static_cast<int64_t>(v.taps) != s.kernel_height || !Keeps(v, precision, isa)) continue;
    const WinogradTiling tiling(v, frames, s.out_height, s.out_width);
    const double cost = ForwardCost(v, tiling.tiles, groups, isa);
    if (cost < least) {
      least = cost;
      best = variant;
    }
  }
  return best;
}

std::optional<size_t> FindWinogradDataGradient(const ConvolutionShape& s, Isa isa) {
  if (!WinogradServes(s)) return std::nullopt;
  const size_t lanes = WinogradLanes(isa);
  const size_t groups = DivideUp(s.out_channels, 4 * lanes);
  if (!WinogradGradientPays(s, 4 * groups, DivideUp(s.out_channels, lanes))) return std::nullopt;
  return WinogradGradientVariant(s.kernel_height);
}

std::unique_ptr<PackedConvolution> PackWinograd(const ConvolutionShape& shape,
                                                const ConvolutionWeight& weight, size_t variant,
                                                bool separates_spikes, Isa isa, ThreadPool& pool) {
  return std::make_unique<WinogradPacked>(shape, weight, variant, separates_spikes, isa, pool);
}

}  // namespace convlstm::cpu
