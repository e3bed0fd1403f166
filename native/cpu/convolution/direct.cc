// Direct convolution of channels-last frames.
//
// A tile of kPixels outputs by kVectors vectors of output channels accumulates in registers over
// all taps and input channels: a load of weights serves kPixels multiply-adds, a broadcast of x
// kVectors. Each pixel of a tile has a pointer to its input under the current tap, or to zeros
// outside the image: stride, padding, dilation and spread cost nothing in the inner loop and need
// no padded copy.

#include "cpu/convolution/direct.h"

#include <algorithm>
#include <memory>

#include "core/buffer.h"
#include "cpu/threads/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/direct.cc"
// clang-format off
#include "cpu/simd/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "cpu/simd/partial-inl.h"
// clang-format on

#ifndef CONVLSTM_CPU_CONVOLUTION_DIRECT_CC_
#define CONVLSTM_CPU_CONVOLUTION_DIRECT_CC_
namespace convlstm::cpu {

// A thread's share: outputs [begin, end), indexed over frames and pixels.
struct DirectConvolutionTask {
  const ConvolutionShape* shape;
  const float* const* in;
  const float* zeros;   // [in_channels]
  const float* packed;  // [block of output channels][tap][in channel][channel of the block]
  const float* bias;    // [output channels rounded up to vectors]
  float* const* out;
  int64_t begin;
  int64_t end;
  bool spread;
};

}  // namespace convlstm::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

// Vectors of output channels per tile. AVX-512 and NEON hold 6 x 4 sums in 32 registers, AVX2 6 x 2
// in 16; the rest holds the weights and one broadcast.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kBlockVectors = 4;
#else
constexpr int kBlockVectors = 2;
#endif

int64_t BlockChannels() { return kBlockVectors * hn::Lanes(Tag()); }

// Fewer vectors take more pixels, so that enough sums hide the latency of a multiply-add; at most
// 12, because each pixel's pointer takes a register too.
template <int kVectors>
constexpr int kTilePixels = std::min(12, 6 * kBlockVectors / kVectors);

// An output's input frame and the position of tap (0, 0) in it.
struct Place {
  const float* frame;
  int64_t y;
  int64_t x;
};

// Iterates over outputs; a division per output would cost as much as a 1x1 convolution.
class Places {
 public:
  Places(const DirectConvolutionTask& task, int64_t index) : s_(*task.shape) {
    const int64_t pixels = s_.out_width * s_.out_height, pixel = index % pixels;
    in_ = task.in + index / pixels;
    y_ = pixel / s_.out_width;
    x_ = pixel % s_.out_width;
  }

  Place current() const {
    return {*in_, y_ * s_.stride_y - s_.pad_top, x_ * s_.stride_x - s_.pad_left};
  }

  void Advance() {
    if (++x_ < s_.out_width) return;
    x_ = 0;
    if (++y_ < s_.out_height) return;
    y_ = 0;
    ++in_;
  }

 private:
  const ConvolutionShape& s_;
  const float* const* in_;
  int64_t y_;  // output row
  int64_t x_;  // output column
};

HWY_INLINE const float* InputAt(const DirectConvolutionTask& task, const Place& place,
                                int64_t tap_y, int64_t tap_x) {
  const ConvolutionShape& s = *task.shape;
  int64_t y = place.y + tap_y * s.dilation_y, x = place.x + tap_x * s.dilation_x;
  if (HWY_UNLIKELY(task.spread)) {
    if (y < 0 || x < 0 || y % s.spread_y != 0 || x % s.spread_x != 0) return task.zeros;
    y /= s.spread_y;
    x /= s.spread_x;
  }
  const bool inside = y >= 0 && y < s.in_height && x >= 0 && x < s.in_width;
  return inside ? place.frame + (y * s.in_width + x) * s.in_channels : task.zeros;
}

// One tile: outputs [first, first + count), count <= kTilePixels, for `channels` output channels
// from `channel` on. `next` is at `first` and advances past the tile; pixels past `count` repeat
// the last.
template <int kVectors>
void ComputeTile(const DirectConvolutionTask& task, const float* packed, const float* bias,
                 Places& next, int64_t first, int64_t count, int64_t channel, int64_t channels) {
  constexpr int kPixels = kTilePixels<kVectors>;
  const Tag d;
  const int64_t lanes = hn::Lanes(d);
  const ConvolutionShape& s = *task.shape;
  Place places[kPixels];
  Place place{};
  for (int p = 0; p < kPixels; ++p) {
    if (p < count) {
      place = next.current();
      next.Advance();
    }
    places[p] = place;
  }
  Vec sums[kPixels][kVectors];
  for (int v = 0; v < kVectors; ++v) {
    for (int p = 0; p < kPixels; ++p) sums[p][v] = hn::LoadU(d, bias + v * lanes);
  }
  for (int64_t tap_y = 0; tap_y < s.kernel_height; ++tap_y) {
    for (int64_t tap_x = 0; tap_x < s.kernel_width; ++tap_x) {
      const float* in[kPixels];
      for (int p = 0; p < kPixels; ++p) in[p] = InputAt(task, places[p], tap_y, tap_x);
      for (int64_t k = 0; k < s.in_channels; ++k, packed += kVectors * lanes) {
        Vec weights[kVectors];
        for (int v = 0; v < kVectors; ++v) weights[v] = hn::LoadU(d, packed + v * lanes);
        for (int p = 0; p < kPixels; ++p) {
          const Vec x = hn::Set(d, in[p][k]);
          for (int v = 0; v < kVectors; ++v) sums[p][v] = hn::MulAdd(x, weights[v], sums[p][v]);
        }
      }
    }
  }
  const int64_t pixels = s.out_height * s.out_width;
  int64_t frame = first / pixels, pixel = first % pixels;
  for (int64_t p = 0; p < count; ++p) {
    float* out = task.out[frame] + pixel * s.out_channels + channel;
    if (++pixel == pixels) {
      pixel = 0;
      ++frame;
    }
    for (int v = 0; v < kVectors; ++v) {
      const int64_t left = channels - v * lanes;
      if (left >= lanes) {
        hn::StoreU(sums[p][v], d, out + v * lanes);
      } else {
        StoreFirst(sums[p][v], d, out + v * lanes, std::max<int64_t>(0, left));
      }
    }
  }
}

template <int kVectors>
void ComputeBlock(const DirectConvolutionTask& task, const float* packed, const float* bias,
                  int64_t channel, int64_t channels) {
  Places next(task, task.begin);
  for (int64_t first = task.begin; first < task.end; first += kTilePixels<kVectors>) {
    ComputeTile<kVectors>(task, packed, bias, next, first,
                          std::min<int64_t>(kTilePixels<kVectors>, task.end - first), channel,
                          channels);
  }
}

// Vectors in the block that begins at `channel`.
int BlockVectors(const ConvolutionShape& shape, int64_t channel) {
  const int64_t lanes = hn::Lanes(Tag());
  return static_cast<int>(
      std::min<int64_t>(kBlockVectors, (shape.out_channels - channel + lanes - 1) / lanes));
}

void RunTask(const DirectConvolutionTask& task) {
  const ConvolutionShape& s = *task.shape;
  const int64_t lanes = hn::Lanes(Tag()), depth = s.kernel_height * s.kernel_width * s.in_channels;
  const float* packed = task.packed;
  for (int64_t channel = 0; channel < s.out_channels; channel += BlockChannels()) {
    const int vectors = BlockVectors(s, channel);
    const int64_t channels = std::min(BlockChannels(), s.out_channels - channel);
    const float* bias = task.bias + channel;
    if (vectors == 1) ComputeBlock<1>(task, packed, bias, channel, channels);
    if (vectors == 2) ComputeBlock<2>(task, packed, bias, channel, channels);
    if constexpr (kBlockVectors == 4) {
      if (vectors == 3) ComputeBlock<3>(task, packed, bias, channel, channels);
      if (vectors == 4) ComputeBlock<4>(task, packed, bias, channel, channels);
    }
    packed += depth * vectors * lanes;
  }
}

// Output channels rounded up to vectors.
int64_t PackedChannels(const ConvolutionShape& shape) {
  const int64_t lanes = hn::Lanes(Tag());
  return (shape.out_channels + lanes - 1) / lanes * lanes;
}

void PackBlocks(const ConvolutionShape& s, const ConvolutionWeight& weight, float* packed) {
  for (int64_t channel = 0; channel < s.out_channels; channel += BlockChannels()) {
    const int64_t width = BlockVectors(s, channel) * static_cast<int64_t>(hn::Lanes(Tag()));
    for (int64_t tap_y = 0; tap_y < s.kernel_height; ++tap_y) {
      for (int64_t tap_x = 0; tap_x < s.kernel_width; ++tap_x) {
        const float* tap = weight.data + tap_y * weight.tap_y_stride + tap_x * weight.tap_x_stride;
        for (int64_t k = 0; k < s.in_channels; ++k) {
          for (int64_t c = channel; c < channel + width; ++c) {
            *packed++ =
                c < s.out_channels ? tap[c * weight.out_stride + k * weight.in_stride] : 0.0f;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

namespace {

class DirectPacked final : public PackedConvolution {
 public:
  DirectPacked(const ConvolutionShape& shape, const ConvolutionWeight& weight, Isa isa)
      : isa_(isa),
        channels_(CONVLSTM_SIMD(isa, PackedChannels)(shape)),
        packed_(Buffer::AllocateArray<float>(shape.taps() * shape.in_channels * channels_)) {
    CONVLSTM_SIMD(isa, PackBlocks)(shape, weight, packed_.as<float>());
  }

  void Run(const ConvolutionShape& shape, const ConvolutionFrames& frames, const float* bias,
           ThreadPool& pool) const override {
    const auto run_task = CONVLSTM_SIMD(isa_, RunTask);
    const Buffer constants = Buffer::AllocateArray<float>(channels_ + shape.in_channels);
    float* const biases = constants.as<float>();
    std::fill_n(biases, channels_ + shape.in_channels, 0.0f);
    if (bias != nullptr) std::copy_n(bias, shape.out_channels, biases);
    const int64_t depth = shape.taps() * shape.in_channels;
    ParallelFor(
        pool, frames.count * shape.out_height * shape.out_width, depth * channels_ / 16,
        [&](Range range) {
          run_task({&shape, frames.in, biases + channels_, packed_.as<float>(), biases, frames.out,
                    range.begin, range.end, shape.spread_y > 1 || shape.spread_x > 1});
        });
  }

 private:
  const Isa isa_;
  const int64_t channels_;  // output channels rounded up to vectors
  const Buffer packed_;
};

}  // namespace

std::unique_ptr<PackedConvolution> PackDirect(const ConvolutionShape& shape,
                                              const ConvolutionWeight& weight, Isa isa) {
  return std::make_unique<DirectPacked>(shape, weight, isa);
}

}  // namespace convlstm::cpu
#endif
