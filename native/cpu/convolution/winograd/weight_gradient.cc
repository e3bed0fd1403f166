// The weight gradient of 3x3 and 5x5 convolutions by F(4x4, 3x3) and F(4x4, 5x5), with a quarter
// and a sixth of the direct multiply-adds.
//
// The transposed algorithm multiplies V, the input's transform, by D, that of delta (the transpose
// of the forward pass's output transform), for all pairs of channels, sums over all tiles, and
// transforms the sums back once at the end. Tiles are the inner dimension of 36 or 64 matrix
// products.
//
// Values of any size are transformed: a gradient is accurate in norm
// (test/native/conv_lstm_backward_test.cc), not in its smallest element.
#include <algorithm>
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "core/divide_up.h"
#include "cpu/convolution/winograd/convolution.h"
#include "cpu/convolution/winograd/filter.h"
#include "cpu/convolution/winograd/weight_gradient_tile.h"
#include "cpu/threads/cheapest_split.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

// Time of a patch's input transform over that of its products with one block: 370 cycles against
// 2,304 for F(4x4, 3x3) and a vector of 16 channels.
constexpr double kTransformShare = 0.16;

class WinogradWeightGradientOf final : public WeightGradient {
 public:
  WinogradWeightGradientOf(const ConvolutionShape& shape, Isa isa, ThreadPool& pool)
      : s_(shape),
        variant_(WinogradGradientVariant(shape.kernel_height)),
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
    // The transform of a block's delta takes as long as the products of 8 channels.
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
  // The filters of one input channel and a block of output channels.
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

}  // namespace

std::unique_ptr<WeightGradient> MakeWinogradWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                           ThreadPool& pool) {
  // Below 8 input channels the transform of delta costs more than it saves.
  constexpr int64_t kFewChannels = 8;
  if (!WinogradServes(shape) || shape.in_channels < kFewChannels ||
      !WinogradGradientPays(shape, 1, 1))
    return nullptr;
  return std::make_unique<WinogradWeightGradientOf>(shape, isa, pool);
}

}  // namespace convlstm::cpu
