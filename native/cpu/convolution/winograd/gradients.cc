// The gradients of 3x3 and 5x5 convolutions in the Winograd domain, F(4x4, 3x3) and F(4x4, 5x5): a
// quarter and a sixth of the direct multiply-adds.
//
// The data gradient is the forward algorithm with the filters flipped and transposed. For the
// weights' gradient the transposed algorithm reads: of every tile the input's transform V and that
// of delta D (the transpose of the forward pass's output transform) are multiplied for all pairs
// of channels, summed over all tiles of the sequence, and the sums transformed back once, at the
// end. Tiles are then the inner dimension of 36 or 64 matrix products.
//
// Values of any size go through the transforms: what is asked of a gradient is its accuracy in
// norm (test/native/conv_lstm_backward_test.cc), not that of its smallest element.
#include "cpu/convolution/gradients.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "core/divide_up.h"
#include "cpu/convolution/winograd/filter.h"
#include "cpu/convolution/winograd/gradients_tile.h"
#include "cpu/threads/cheapest_split.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

size_t VariantOf(const ConvolutionShape& s) {
  return s.kernel_height == 3 ? kGradientVariantOf3x3 : kGradientVariantOf5x5;
}

// The transform of a vector of channels of a patch takes about a sixth of the time of its products
// with 4 vectors (370 cycles against 2,304 of F(4x4, 3x3)).
constexpr double kTransformShare = 0.16;

class WinogradDataGradientOf final : public DataGradient {
 public:
  WinogradDataGradientOf(const ConvolutionShape& shape, const float* weight, int64_t out_stride,
                         Isa isa, ThreadPool& pool)
      : s_(shape),
        variant_(VariantOf(shape)),
        part_(GetWinogradDataGradientPart(isa, variant_)),
        transform_(GetWinogradFilterTransform(isa, variant_)),
        row_(4 * WinogradLanes(isa)),
        groups_(DivideUp(s_.in_channels, row_)),
        products_(kWinogradVariants[variant_].products()),
        weights_(Buffer::AllocateArray<float>(groups_ * products_ * s_.out_channels * row_)) {
    ParallelFor(pool, groups_ * s_.out_channels, products_ * row_ * s_.taps(), [&](Range range) {
      std::vector<double> filter(s_.taps() * row_), products(products_ * row_);
      for (int64_t k = range.begin; k < range.end; ++k) {
        Pack(k / s_.out_channels, k % s_.out_channels, weight, out_stride, filter.data(),
             products.data());
      }
    });
  }

  void Run(int64_t frames, const float* const* delta, float* const* in_grad,
           ThreadPool& pool) const override {
    const WinogradTiling tiling(kWinogradVariants[variant_], frames, s_.in_height, s_.in_width);
    const size_t in_channels = s_.in_channels, out_channels = s_.out_channels;
    const WinogradDataGradient gradient = {tiling, in_channels, out_channels, weights_.as<float>(),
                                           delta,  in_grad};
    // A row of weights that comes from L3 costs as much as some tiles.
    constexpr double kTilesPerRow = 4;
    const ThreadSplit split =
        CheapestSplit(pool.threads(), [&](int64_t by_tiles, int64_t by_groups) {
          const double tiles = DivideUp(tiling.tiles, by_tiles),
                       groups = DivideUp(groups_, by_groups);
          return tiles * (groups + kTransformShare) + kTilesPerRow * groups;
        });
    pool.Run([&](int part) {
      const Range tiles = SplitRange(tiling.tiles, part / split.second, split.first);
      const Range groups = SplitRange(groups_, part % split.second, split.second);
      if (tiles.begin == tiles.end || groups.begin == groups.end) return;
      part_(gradient, tiles, groups);
    });
  }

 private:
  // One channel of delta of one group.
  void Pack(size_t group, size_t out_channel, const float* weight, int64_t out_stride,
            double* filter, double* products) const {
    const size_t taps = s_.taps();
    const size_t channels = std::min(row_, s_.in_channels - group * row_);
    const float* from = weight + out_channel * out_stride + group * row_ * taps;
    std::fill_n(filter, taps * row_, 0.0);
    for (size_t channel = 0; channel < channels; ++channel) {
      for (size_t tap = 0; tap < taps; ++tap) {
        filter[(taps - 1 - tap) * row_ + channel] = *from++;
      }
    }
    transform_(filter, row_, products);
    const size_t part = out_channel / kWinogradDepth * kWinogradDepth;
    const size_t part_depth = std::min(kWinogradDepth, s_.out_channels - part);
    float* to = weights_.as<float>() + (group * s_.out_channels + part) * products_ * row_ +
                (out_channel - part) * row_;
    for (size_t product = 0; product < products_; ++product, to += part_depth * row_) {
      std::copy_n(products + product * row_, row_, to);
    }
  }

  const ConvolutionShape s_;
  const size_t variant_;
  const WinogradDataGradientPart part_;
  const WinogradFilterTransform transform_;
  const size_t row_;
  const size_t groups_;
  const size_t products_;
  const Buffer weights_;
};

class WinogradWeightGradientOf final : public WeightGradient {
 public:
  WinogradWeightGradientOf(const ConvolutionShape& shape, Isa isa, ThreadPool& pool)
      : s_(shape),
        variant_(VariantOf(shape)),
        kernel_(GetOuterProductKernel(isa)),
        part_(GetWinogradWeightGradientPart(isa, variant_)),
        transform_back_(GetWinogradFilterGradient(isa, variant_)),
        products_(kWinogradVariants[variant_].products()),
        vectors_(DivideUp(s_.out_channels, kernel_.lanes)) {
    const int64_t elements = products_ * s_.in_channels * vectors_ * kernel_.lanes;
    sums_ = Buffer::AllocateArray<float>(elements);
    float* const sums = sums_.as<float>();
    ParallelFor(pool, elements, 1,
                [sums](Range range) { std::fill(sums + range.begin, sums + range.end, 0.0f); });
  }

  void Add(int64_t frames, const float* const* in, const float* const* delta,
           ThreadPool& pool) override {
    const WinogradTiling tiling(kWinogradVariants[variant_], frames, s_.in_height, s_.in_width);
    const size_t in_channels = s_.in_channels, out_channels = s_.out_channels;
    const WinogradWeightGradient gradient = {tiling, kernel_, in_channels,      out_channels,
                                             in,     delta,   sums_.as<float>()};
    const size_t blocks = DivideUp(vectors_, 4);
    // The transform of a block's delta costs as much as the products of some channels.
    constexpr double kDeltaShare = 8;
    const ThreadSplit split =
        CheapestSplit(pool.threads(), [&](int64_t by_channels, int64_t by_blocks) {
          const double c = DivideUp(in_channels, by_channels), b = DivideUp(blocks, by_blocks);
          return c * (b + kTransformShare) + kDeltaShare * b;
        });
    pool.Run([&](int part) {
      const Range channels = SplitRange(in_channels, part / split.second, split.first);
      const Range range = SplitRange(blocks, part % split.second, split.second);
      if (channels.begin == channels.end || range.begin == range.end) return;
      part_(gradient, channels, range);
    });
  }

  void Finish(float* weight, int64_t out_stride, ThreadPool& pool) override {
    const int64_t blocks = DivideUp(vectors_, 4);
    ParallelFor(pool, blocks * s_.in_channels, products_ * 4 * kernel_.lanes * s_.taps(),
                [&](Range range) {
                  const size_t most = 4 * kernel_.lanes;
                  std::vector<double> products(products_ * most), filter(s_.taps() * most);
                  for (int64_t k = range.begin; k < range.end; ++k) {
                    FinishChannel(k / s_.in_channels, k % s_.in_channels, products.data(),
                                  filter.data(), weight, out_stride);
                  }
                });
  }

 private:
  // The filters of one channel of the input and a block of output channels.
  void FinishChannel(size_t block, size_t in_channel, double* products, double* filter,
                     float* weight, int64_t out_stride) const {
    const size_t row = std::min<size_t>(4, vectors_ - 4 * block) * kernel_.lanes;
    const size_t first = 4 * block * kernel_.lanes, taps = s_.taps();
    const float* from = sums_.as<float>() + first * products_ * s_.in_channels + in_channel * row;
    for (size_t product = 0; product < products_; ++product, from += s_.in_channels * row) {
      std::copy_n(from, row, products + product * row);
    }
    transform_back_(products, row, filter);
    const size_t channels = std::min<size_t>(row, s_.out_channels - first);
    for (size_t channel = 0; channel < channels; ++channel) {
      float* const to = weight + (first + channel) * out_stride + in_channel * taps;
      for (size_t tap = 0; tap < taps; ++tap) {
        to[tap] = static_cast<float>(filter[tap * row + channel]);
      }
    }
  }

  const ConvolutionShape s_;
  const size_t variant_;
  const OuterProductKernel kernel_;
  const WinogradWeightGradientPart part_;
  const WinogradFilterGradient transform_back_;
  const size_t products_;
  const size_t vectors_;  // of output channels
  Buffer sums_;           // [block of 4 vectors][product][in channel][channel of the block]
};

// The convolutions whose image stays as it is.
bool Serves(const ConvolutionShape& s) {
  const int64_t taps = s.kernel_height;
  return (taps == 3 || taps == 5) && s.kernel_width == taps && s.stride_y == 1 && s.stride_x == 1 &&
         s.dilation_y == 1 && s.dilation_x == 1 && s.pad_top == taps / 2 &&
         s.pad_left == taps / 2 && s.out_height == s.in_height && s.out_width == s.in_width;
}

// Multiply-adds of a vector for each frame and channel: Winograd's, whose transforms and memory
// make them dearer, against direct ones.
bool Pays(const ConvolutionShape& s, size_t vectors, size_t direct_vectors) {
  constexpr double kDearer = 1.35;
  const WinogradVariant& v = kWinogradVariants[VariantOf(s)];
  const size_t tiles = DivideUp(s.in_height, v.rows) * DivideUp(s.in_width, v.columns);
  return kDearer * tiles * v.products() * vectors <
         static_cast<double>(s.in_height * s.in_width * s.taps() * direct_vectors);
}

}  // namespace

std::unique_ptr<DataGradient> MakeWinogradDataGradient(const ConvolutionShape& shape,
                                                       const float* weight, int64_t out_stride,
                                                       Isa isa, ThreadPool& pool) {
  const size_t lanes = WinogradLanes(isa);
  const size_t groups = DivideUp(shape.in_channels, 4 * lanes);
  if (!Serves(shape) || !Pays(shape, 4 * groups, DivideUp(shape.in_channels, lanes))) {
    return nullptr;
  }
  return std::make_unique<WinogradDataGradientOf>(shape, weight, out_stride, isa, pool);
}

std::unique_ptr<WeightGradient> MakeWinogradWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                           ThreadPool& pool) {
  // The transform of delta serves so few channels of the input that it costs more than it saves.
  constexpr int64_t kFewChannels = 8;
  if (!Serves(shape) || shape.in_channels < kFewChannels || !Pays(shape, 1, 1)) return nullptr;
  return std::make_unique<WinogradWeightGradientOf>(shape, isa, pool);
}

}  // namespace convlstm::cpu
