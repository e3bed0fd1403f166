// Weight gradients by direct summation, for every kernel.
//
// A tile of sums is kTileRows rows, each one tap and input channel, by kVectors vectors of output
// channels; it stays in registers while the pixels of a block pass by: a load of delta and a
// broadcast of the input serve kTileRows and kVectors multiply-adds. Taps side by side and their
// channels follow each other in a channels-last row, so they are one run of rows. A block is about
// 128 pixels: its input, with the border's zeros staged around it, and 64 channels of its delta
// (32 KiB) come from L1 and L2 for all tiles, and the tile's own load and store cost 48
// instructions for 3,072 multiply-adds. The sum of a block is made apart, so that the error of a
// long sum grows with the number of blocks only.
#include "cpu/convolution_gradients.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/weight_gradient_direct.cc"
#include "cpu/simd.h"
//
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#ifndef CONVLSTM_CPU_WEIGHT_GRADIENT_DIRECT_CC_
#define CONVLSTM_CPU_WEIGHT_GRADIENT_DIRECT_CC_

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "cpu/parallel_for.h"

namespace convlstm::cpu {

// The products of a rectangle of pixels.
struct OuterProducts {
  const float* in;
  int64_t in_pixel, in_row;  // from pixel to pixel of a row, and from row to row
  const float* delta;
  int64_t delta_pixel, delta_row;
  int64_t pixels, rows;
};

// sums[row][vector] += products; the block of output channels has as many vectors.
using AddProductsFunction = void (*)(const OuterProducts& products, float* sums);

struct DirectSumsKernel {
  int64_t lanes;
  // Rows of a tile for a block of one to four vectors.
  std::array<int64_t, 4> tile_rows;
  AddProductsFunction (*add)(int64_t vectors, int64_t rows);
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_WEIGHT_GRADIENT_DIRECT_CC_

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using F32 = hn::ScalableTag<float>;

// 24 sums, 4 vectors of delta and a broadcast of 32 registers, or 12, 3 broadcasts and one of 16.
constexpr bool kManyRegisters = HWY_TARGET != HWY_AVX2 && HWY_TARGET != HWY_EMU128;
constexpr std::array<int64_t, 4> kTileRows =
    kManyRegisters ? std::array<int64_t, 4>{12, 12, 8, 6} : std::array<int64_t, 4>{6, 6, 4, 3};

template <size_t kVectors, size_t kRows>
HWY_NOINLINE void AddProducts(const OuterProducts& p, float* HWY_RESTRICT sums) {
  const F32 d;
  using V = hn::Vec<F32>;
  constexpr size_t kLanes = HWY_LANES(float);
  V sum[kRows][kVectors];
  CONVLSTM_UNROLL
  for (size_t r = 0; r < kRows; ++r) {
    CONVLSTM_UNROLL
    for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  for (int64_t y = 0; y < p.rows; ++y) {
    const float* HWY_RESTRICT in = p.in + y * p.in_row;
    const float* HWY_RESTRICT delta = p.delta + y * p.delta_row;
    for (int64_t x = 0; x < p.pixels; ++x, in += p.in_pixel, delta += p.delta_pixel) {
      V deltas[kVectors];
      CONVLSTM_UNROLL
      for (size_t v = 0; v < kVectors; ++v) deltas[v] = hn::LoadU(d, delta + v * kLanes);
      CONVLSTM_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        const V value = hn::Set(d, in[r]);
        CONVLSTM_UNROLL
        for (size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(value, deltas[v], sum[r][v]);
      }
    }
  }
  CONVLSTM_UNROLL
  for (size_t r = 0; r < kRows; ++r) {
    CONVLSTM_UNROLL
    for (size_t v = 0; v < kVectors; ++v) {
      float* const to = sums + (r * kVectors + v) * kLanes;
      hn::Store(hn::Add(hn::Load(d, to), sum[r][v]), d, to);
    }
  }
}

template <size_t kVectors, size_t... kIndex>
AddProductsFunction SelectRows(int64_t rows, std::index_sequence<kIndex...>) {
  static constexpr AddProductsFunction kTable[] = {AddProducts<kVectors, kIndex + 1>...};
  return kTable[rows - 1];
}

AddProductsFunction SelectAddProducts(int64_t vectors, int64_t rows) {
  if (vectors == 1) return SelectRows<1>(rows, std::make_index_sequence<kTileRows[0]>());
  if (vectors == 2) return SelectRows<2>(rows, std::make_index_sequence<kTileRows[1]>());
  if (vectors == 3) return SelectRows<3>(rows, std::make_index_sequence<kTileRows[2]>());
  return SelectRows<4>(rows, std::make_index_sequence<kTileRows[3]>());
}

DirectSumsKernel GetDirectSumsKernel() { return {HWY_LANES(float), kTileRows, SelectAddProducts}; }

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {
namespace {

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A tile of sums and what it needs.
struct Item {
  AddProductsFunction add;
  int64_t tap_y, tap_x;
  int64_t in_offset;    // from the pixel under the tap
  int64_t out_channel;  // of the block
  int64_t sums_offset;
};

class DirectWeightGradient final : public WeightGradient {
 public:
  DirectWeightGradient(const ConvolutionShape& shape, Isa isa, ThreadPool& pool)
      : s_(shape), kernel_(CONVLSTM_SIMD(isa, GetDirectSumsKernel)()) {
    PlanBlocks();
    PlanItems();
    const int64_t elements = Rows() * DivideUp(s_.out_channels, kernel_.lanes) * kernel_.lanes;
    sums_ = Buffer::AllocateArray<float>(elements);
    float* const sums = sums_.as<float>();
    ParallelFor(pool, elements, 1,
                [sums](Range range) { std::fill(sums + range.begin, sums + range.end, 0.0f); });
  }

  void Add(int64_t frames, const float* const* in, const float* const* delta,
           ThreadPool& pool) override {
    const int64_t items = static_cast<int64_t>(items_.size());
    // A tile has at most 24 vectors of sums.
    ParallelFor(pool, items, frames * s_.out_height * s_.out_width * 24, [&](Range range) {
      Buffer window = Buffer::AllocateArray<float>(window_rows_ * window_columns_ * s_.in_channels);
      for (int64_t frame = 0; frame < frames; ++frame) {
        for (int64_t block = 0; block < blocks_down_ * blocks_across_; ++block) {
          AddBlock(in[frame], delta[frame], block, range, window.as<float>());
        }
      }
    });
  }

  void Finish(float* weight, int64_t out_stride, ThreadPool& pool) override {
    ParallelFor(pool, s_.out_channels, Rows(), [&](Range range) {
      for (int64_t out = range.begin; out < range.end; ++out) {
        const int64_t block = out / (4 * kernel_.lanes) * 4;
        const int64_t columns = BlockVectors(block) * kernel_.lanes;
        const float* from =
            sums_.as<float>() + block * kernel_.lanes * Rows() + out - block * kernel_.lanes;
        for (int64_t tap = 0; tap < s_.taps(); ++tap) {
          for (int64_t in = 0; in < s_.in_channels; ++in, from += columns) {
            weight[out * out_stride + in * s_.taps() + tap] = *from;
          }
        }
      }
    });
  }

 private:
  int64_t Rows() const { return s_.taps() * s_.in_channels; }
  // Vectors of the block of output channels that begins with vector `first`.
  int64_t BlockVectors(int64_t first) const {
    return std::min<int64_t>(4, DivideUp(s_.out_channels, kernel_.lanes) - first);
  }

  void PlanBlocks() {
    constexpr int64_t kBlockColumns = 64, kBlockPixels = 128;
    blocks_across_ = DivideUp(s_.out_width, kBlockColumns);
    block_columns_ = DivideUp(s_.out_width, blocks_across_);
    block_rows_ = std::clamp<int64_t>(kBlockPixels / block_columns_, 1, s_.out_height);
    blocks_down_ = DivideUp(s_.out_height, block_rows_);
    window_rows_ = WindowRows(block_rows_);
    window_columns_ = WindowColumns(block_columns_);
  }
  int64_t WindowRows(int64_t rows) const {
    return (rows - 1) * s_.stride_y + (s_.kernel_height - 1) * s_.dilation_y + 1;
  }
  int64_t WindowColumns(int64_t columns) const {
    return (columns - 1) * s_.stride_x + (s_.kernel_width - 1) * s_.dilation_x + 1;
  }

  // Rows of sums are in the order [tap row][tap column][channel].
  void PlanItems() {
    const bool whole_rows = s_.dilation_x == 1;
    const int64_t run = s_.in_channels * (whole_rows ? s_.kernel_width : 1);
    const int64_t runs = Rows() / run;
    for (int64_t first = 0; first * kernel_.lanes < s_.out_channels; first += 4) {
      const int64_t vectors = BlockVectors(first);
      const int64_t tiles = DivideUp(run, kernel_.tile_rows[vectors - 1]);
      for (int64_t index = 0; index < runs; ++index) {
        const int64_t tap_y = whole_rows ? index : index / s_.kernel_width;
        const int64_t tap_x = whole_rows ? 0 : index % s_.kernel_width;
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t begin = run * tile / tiles, end = run * (tile + 1) / tiles;
          items_.push_back({kernel_.add(vectors, end - begin), tap_y, tap_x, begin,
                            first * kernel_.lanes,
                            (first * Rows() + (index * run + begin) * vectors) * kernel_.lanes});
        }
      }
    }
  }

  void AddBlock(const float* in, const float* delta, int64_t block, Range range,
                float* window) const {
    const int64_t y = block / blocks_across_ * block_rows_;
    const int64_t x = block % blocks_across_ * block_columns_;
    const int64_t rows = std::min(block_rows_, s_.out_height - y);
    const int64_t columns = std::min(block_columns_, s_.out_width - x);
    const int64_t channels = s_.in_channels;
    const int64_t top = y * s_.stride_y - s_.pad_top, left = x * s_.stride_x - s_.pad_left;
    const float* origin = in + (top * s_.in_width + left) * channels;
    int64_t pitch = s_.in_width;
    if (top < 0 || left < 0 || top + WindowRows(rows) > s_.in_height ||
        left + WindowColumns(columns) > s_.in_width) {
      Stage(in, top, left, WindowRows(rows), WindowColumns(columns), window);
      origin = window;
      pitch = WindowColumns(columns);
    }
    OuterProducts products = {nullptr,
                              s_.stride_x * channels,
                              s_.stride_y * pitch * channels,
                              nullptr,
                              s_.out_channels,
                              s_.out_width * s_.out_channels,
                              columns,
                              rows};
    for (int64_t k = range.begin; k < range.end; ++k) {
      const Item& item = items_[k];
      products.in = origin +
                    (item.tap_y * s_.dilation_y * pitch + item.tap_x * s_.dilation_x) * channels +
                    item.in_offset;
      products.delta = delta + (y * s_.out_width + x) * s_.out_channels + item.out_channel;
      item.add(products, sums_.as<float>() + item.sums_offset);
    }
  }

  // Copies a window of a frame, with zeros outside it.
  void Stage(const float* frame, int64_t top, int64_t left, int64_t rows, int64_t columns,
             float* out) const {
    const int64_t channels = s_.in_channels;
    const int64_t first = std::clamp<int64_t>(-left, 0, columns);
    const int64_t last = std::clamp<int64_t>(s_.in_width - left, first, columns);
    for (int64_t y = top; y < top + rows; ++y, out += columns * channels) {
      if (y < 0 || y >= s_.in_height) {
        std::fill_n(out, columns * channels, 0.0f);
        continue;
      }
      std::fill_n(out, first * channels, 0.0f);
      std::copy_n(frame + (y * s_.in_width + left + first) * channels, (last - first) * channels,
                  out + first * channels);
      std::fill_n(out + last * channels, (columns - last) * channels, 0.0f);
    }
  }

  const ConvolutionShape s_;
  const DirectSumsKernel kernel_;
  int64_t blocks_across_, blocks_down_;
  int64_t block_rows_, block_columns_;
  int64_t window_rows_, window_columns_;
  std::vector<Item> items_;
  Buffer sums_;  // [block of output channels][row][channel of the block]
};

}  // namespace

std::unique_ptr<WeightGradient> MakeDirectWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                         ThreadPool& pool) {
  return std::make_unique<DirectWeightGradient>(shape, isa, pool);
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
