// Weight gradient by direct summation, for every kernel.
//
// The left values of the outer products (outer_product.h) are the input under the taps, the right
// ones 4 vectors of delta. Horizontally adjacent taps and their channels are contiguous in a
// channels-last row: one run of values. A block has about 128 pixels: L1 and L2 hold its input,
// with staged zeros at the border, and 64 channels of its delta (32 KiB) for the whole run.
// Loading and storing 24 vectors of sums costs 48 instructions per 3,072 multiply-adds.
#include <algorithm>
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "core/divide_up.h"
#include "cpu/convolution/convolution.h"
#include "cpu/convolution/outer_product.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

// A tile of sums: some left values by a block of output channels.
struct Item {
  AddProductsFunction add;
  int64_t tap_y, tap_x;
  int64_t in_offset;    // floats from the pixel under the tap
  int64_t out_channel;  // first of the block
  int64_t sums_offset;
};

class DirectWeightGradient final : public WeightGradient {
 public:
  DirectWeightGradient(const ConvolutionShape& shape, Isa isa, ThreadPool& pool)
      : s_(shape), kernel_(GetOuterProductKernel(isa)) {
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
  // Rows of sums of one output channel.
  int64_t Rows() const { return s_.taps() * s_.in_channels; }
  // Vectors in the block of output channels that begins at vector `first`.
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

  // Rows of sums are [tap row][tap column][channel].
  void PlanItems() {
    const bool whole_rows = s_.dilation_x == 1;
    const int64_t run = s_.in_channels * (whole_rows ? s_.kernel_width : 1);
    const int64_t runs = Rows() / run;
    for (int64_t first = 0; first * kernel_.lanes < s_.out_channels; first += 4) {
      const int64_t vectors = BlockVectors(first);
      const int64_t tiles = DivideUp(run, kernel_.most_values[vectors - 1]);
      for (int64_t index = 0; index < runs; ++index) {
        const int64_t tap_y = whole_rows ? index : index / s_.kernel_width;
        const int64_t tap_x = whole_rows ? 0 : index % s_.kernel_width;
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t begin = run * tile / tiles, end = run * (tile + 1) / tiles;
          items_.push_back({kernel_.get(SumProducts::kApart, vectors, end - begin), tap_y, tap_x,
                            begin, first * kernel_.lanes,
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
      products.left = origin +
                      (item.tap_y * s_.dilation_y * pitch + item.tap_x * s_.dilation_x) * channels +
                      item.in_offset;
      products.right = delta + (y * s_.out_width + x) * s_.out_channels + item.out_channel;
      item.add(products, sums_.as<float>() + item.sums_offset);
    }
  }

  // Copies a window of a frame, with zeros outside the frame.
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
  const OuterProductKernel kernel_;
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
