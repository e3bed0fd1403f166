// Direct convolution of channels-last frames.
//
// A tile of kPixels outputs x kVectors vectors of output channels accumulates in registers while
// all kernel taps and input channels pass by: one load of weights and one broadcast of x serve
// kPixels and kVectors multiply-adds. The pixels of a tile are any pixels: each has a pointer to
// its input under the current tap, or to zeros where that lies outside the image, so that stride,
// padding and dilation cost nothing inside the loop and no padded copy is made.

#include "cpu/conv2d.h"

#include <algorithm>
#include <memory>
#include <string>

#include "cpu/layout.h"
#include "cpu/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv2d.cc"
// clang-format off
#include "cpu/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "cpu/partial-inl.h"
// clang-format on

#ifndef CONVLSTM_CPU_CONV2D_CC_
#define CONVLSTM_CPU_CONV2D_CC_
namespace convlstm::cpu {

// What a thread does: outputs [begin, end), counted over frames and pixels.
struct Conv2dTask {
  const Conv2dShape* shape;
  const float* x;
  const float* zeros;   // in_channels of them
  const float* packed;  // per block of output channels [tap][in_channel][block], zeros beyond them
  const float* bias;    // per block, zeros where there is none
  float* out;
  int64_t begin;
  int64_t end;
};

}  // namespace convlstm::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

// Registers: 6 x 4 sums of 32 with AVX-512 and NEON, 6 x 2 of 16 with AVX2, which leaves room for
// the weights and one broadcast. A block is what one tile computes of the output channels.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kBlockVectors = 4;
#else
constexpr int kBlockVectors = 2;
#endif

int64_t BlockChannels() { return kBlockVectors * hn::Lanes(Tag()); }

// A block with fewer vectors has a tile of more pixels, so that there are sums enough to hide the
// latency of a multiply-add; each pixel's pointer needs a register as well.
template <int kVectors>
constexpr int kTilePixels = std::min(12, 6 * kBlockVectors / kVectors);

// Where an output looks: its frame, and the place of tap (0, 0) there.
struct Place {
  const float* frame;
  int64_t y;
  int64_t x;
};

// Goes through outputs in order; a division for each would cost as much as a 1x1 convolution.
class Places {
 public:
  Places(const Conv2dTask& task, int64_t index) : s_(*task.shape) {
    const int64_t width = s_.out_width(), pixels = width * s_.out_height();
    const int64_t pixel = index % pixels;
    frame_ = task.x + index / pixels * s_.height * s_.width * s_.in_channels;
    y_ = pixel / width;
    x_ = pixel % width;
  }

  Place current() const {
    return {frame_, y_ * s_.stride_y - s_.padding_y, x_ * s_.stride_x - s_.padding_x};
  }

  void Advance() {
    if (++x_ < s_.out_width()) return;
    x_ = 0;
    if (++y_ < s_.out_height()) return;
    y_ = 0;
    frame_ += s_.height * s_.width * s_.in_channels;
  }

 private:
  const Conv2dShape& s_;
  const float* frame_;
  int64_t y_;  // of the output
  int64_t x_;
};

const float* InputAt(const Conv2dTask& task, const Place& place, int64_t tap_y, int64_t tap_x) {
  const Conv2dShape& s = *task.shape;
  const int64_t y = place.y + tap_y * s.dilation_y, x = place.x + tap_x * s.dilation_x;
  const bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
  return inside ? place.frame + (y * s.width + x) * s.in_channels : task.zeros;
}

// One tile: outputs [first, first + count), count <= kTilePixels, of which `next` is the first;
// `channels` output channels from `channel` on. Pixels beyond count repeat the last one.
template <int kVectors>
void ComputeTile(const Conv2dTask& task, const float* packed, const float* bias, Places& next,
                 int64_t first, int64_t count, int64_t channel, int64_t channels) {
  constexpr int kPixels = kTilePixels<kVectors>;
  const Tag d;
  const int64_t lanes = hn::Lanes(d);
  const Conv2dShape& s = *task.shape;
  Place places[kPixels];
  for (int p = 0; p < kPixels; ++p) {
    places[p] = p < count ? next.current() : places[count - 1];
    if (p < count) next.Advance();
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
  for (int64_t p = 0; p < count; ++p) {
    float* out = task.out + (first + p) * s.out_channels + channel;
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
void ComputeBlock(const Conv2dTask& task, const float* packed, const float* bias, int64_t channel,
                  int64_t channels) {
  Places next(task, task.begin);
  for (int64_t first = task.begin; first < task.end; first += kTilePixels<kVectors>) {
    ComputeTile<kVectors>(task, packed, bias, next, first,
                          std::min<int64_t>(kTilePixels<kVectors>, task.end - first), channel,
                          channels);
  }
}

// Vectors of the block that begins at `channel`.
int BlockVectors(const Conv2dShape& shape, int64_t channel) {
  const int64_t lanes = hn::Lanes(Tag());
  return static_cast<int>(
      std::min<int64_t>(kBlockVectors, (shape.out_channels - channel + lanes - 1) / lanes));
}

void RunTask(const Conv2dTask& task) {
  const Conv2dShape& s = *task.shape;
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
int64_t PackedChannels(const Conv2dShape& shape) {
  const int64_t lanes = hn::Lanes(Tag());
  return (shape.out_channels + lanes - 1) / lanes * lanes;
}

void PackWeights(const Conv2dShape& s, const float* weight, float* packed) {
  const int64_t taps = s.kernel_height * s.kernel_width;
  for (int64_t channel = 0; channel < s.out_channels; channel += BlockChannels()) {
    const int64_t width = BlockVectors(s, channel) * static_cast<int64_t>(hn::Lanes(Tag()));
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t k = 0; k < s.in_channels; ++k) {
        for (int64_t c = channel; c < channel + width; ++c) {
          *packed++ = c < s.out_channels ? weight[(c * s.in_channels + k) * taps + tap] : 0.0f;
        }
      }
    }
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {
namespace {

std::shared_ptr<const Buffer> PackedWeights(const Conv2dShape& s, Storage& weight,
                                            ThreadPool& pool) {
  const auto packed_channels = CONVLSTM_SIMD(CurrentIsa(), PackedChannels);
  const auto pack_weights = CONVLSTM_SIMD(CurrentIsa(), PackWeights);
  const std::string key = "conv2d " + std::to_string(s.out_channels) + " " +
                          std::to_string(s.in_channels) + " " + std::to_string(s.kernel_height) +
                          " " + std::to_string(s.kernel_width);
  std::shared_ptr<const void>& derived = weight.derived()[key];
  if (!derived) {
    const int64_t depth = s.kernel_height * s.kernel_width * s.in_channels;
    auto packed =
        std::make_shared<const Buffer>(Buffer::AllocateArray<float>(depth * packed_channels(s)));
    pack_weights(s, RowMajor(weight, pool), packed->as<float>());
    derived = std::move(packed);
  }
  return std::static_pointer_cast<const Buffer>(derived);
}

}  // namespace

void Conv2d(const Conv2dShape& shape, const Conv2dInputs& inputs, Storage& out, ThreadPool& pool) {
  const auto run_task = CONVLSTM_SIMD(CurrentIsa(), RunTask);
  const int64_t packed_channels = CONVLSTM_SIMD(CurrentIsa(), PackedChannels)(shape);
  const std::shared_ptr<const Buffer> packed = PackedWeights(shape, *inputs.weight, pool);

  const Buffer constants = Buffer::AllocateArray<float>(packed_channels + shape.in_channels);
  float* bias = constants.as<float>();
  std::fill_n(bias, packed_channels + shape.in_channels, 0.0f);
  if (inputs.bias) std::copy_n(RowMajor(*inputs.bias, pool), shape.out_channels, bias);

  const ChannelsLast frames = {shape.batch, shape.in_channels, shape.height * shape.width};
  Buffer converted;
  const float* x = inputs.x->data();
  if (!inputs.x->channels_last() || inputs.x->layout() != frames) {
    x = RowMajor(*inputs.x, pool);
    if (frames.channels > 1 && frames.pixels > 1) {
      converted = Buffer::Allocate(inputs.x->bytes());
      TransposeFrames(frames.frames, frames.channels, frames.pixels, x, converted.as<float>(),
                      pool);
      x = converted.as<float>();
    }
  }

  const int64_t out_pixels = shape.out_height() * shape.out_width();
  float* to = out.AllocateChannelsLast({shape.batch, shape.out_channels, out_pixels});
  const int64_t depth = shape.kernel_height * shape.kernel_width * shape.in_channels;
  ParallelFor(pool, shape.batch * out_pixels, depth * packed_channels / 16, [&](Range range) {
    run_task(
        {&shape, x, bias + packed_channels, packed->as<float>(), bias, to, range.begin, range.end});
  });
}

}  // namespace convlstm::cpu
#endif
