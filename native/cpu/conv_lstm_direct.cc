// Direct convolution fused with the gates and the state update: serves every shape.
//
// A tile is kTilePixels pixels by one vector of hidden channels by four gates, summed in registers;
// i, f, o, g of the same channels meet there. On AVX-512 that is 6 x 4 = 24 sums, 4 weights and a
// broadcast in 32 registers (10 loads for 24 FMAs); on AVX2 3 x 4 = 12 sums in 16 registers (7
// loads for 12 FMAs); on NEON 5 x 4 = 20, for GCC loads all its broadcasts ahead and spills with 6.
//
// A block is some rows and columns of one frame, about kBlockPixels pixels. Its rows of x and h
// with their halo are staged in scratch with zeros where the image ends, unless the halo lies
// inside the image or the kernel is 1x1: then they are read where they are. All tiles of a block
// pass over a chunk of kChunk weight rows before the next chunk, so that weights come from the
// first level cache for all tiles but one, whatever the kernel's size.

#include "cpu/conv_lstm_cell.h"
#include "cpu/conv_lstm_kernel.h"
#include "cpu/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_lstm_direct.cc"
#include "cpu/simd.h"
//
#include "hwy/foreach_target.h"
//
#include "cpu/activations-inl.h"
#include "hwy/highway.h"

#ifndef CONVLSTM_CPU_CONV_LSTM_DIRECT_CC_
#define CONVLSTM_CPU_CONV_LSTM_DIRECT_CC_

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace convlstm::cpu {

constexpr int64_t kGates = 4;
constexpr int64_t kBlockPixels = 64;
constexpr int64_t kMinBlockPixels = 12;
constexpr int64_t kChunk = 128;

struct DirectWeights final : PackedWeights {
  DirectWeights(const ConvLstmShape& shape, const ConvLstmWeights& in, int64_t vector_lanes,
                ThreadPool& pool);

  int64_t lanes;
  int64_t groups;  // vectors of hidden channels; the last is filled up with zeros
  int64_t rows;    // weight rows of a group: taps of x, then of h, each [ky][kx][channel]
  Buffer weights;  // [group][row][gate][lane]
  Buffer biases;   // [group][gate][lane]
  PackedPeepholes peepholes;
};

// Consecutive products of every pixel: `count` values from pixel * channels on, and as many weight
// rows.
struct Segment {
  const float* values;
  int64_t channels;
  int64_t weight_row;
  int64_t count;
};

struct DirectStep {
  const ConvLstmShape& shape;
  const DirectWeights& weights;
  const ConvLstmStep& step;
  // Rows and columns of a block, and how many of them cover a frame.
  int64_t block_rows, block_columns, blocks_down, blocks_across;

  int64_t blocks() const { return shape.batch * blocks_down * blocks_across; }
};

// A block with its halo: pixel (r, c) of the block has its first tap at
// origin + (r * pitch + c) * channels.
struct Window {
  const float* origin = nullptr;
  int64_t channels = 0;
};

// The block that a thread works on.
struct Block {
  int64_t batch;
  Range rows, columns;  // in the frame
  int64_t pitch;        // pixels from one row of the windows to the next
  Window x, h;
};

// Scratch of one thread.
struct DirectScratch {
  explicit DirectScratch(const DirectStep& s);

  Buffer staged_x, staged_h;
  Buffer sums;                  // [pixel of the block][gate][lane]
  std::vector<int64_t> pixels;  // of the block, in pixels of the windows
  std::vector<Segment> segments;
};

// Finds block `index`, stages what it needs and lists its pixels and segments.
Block PrepareBlock(const DirectStep& s, int64_t index, DirectScratch& scratch);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_DIRECT_CC_

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

using F32 = hn::ScalableTag<float>;

#if HWY_TARGET == HWY_AVX2
constexpr int kTilePixels = 3;
#elif HWY_TARGET == HWY_NEON
constexpr int kTilePixels = 5;
#elif HWY_TARGET == HWY_EMU128
constexpr int kTilePixels = 2;
#else
constexpr int kTilePixels = 6;
#endif

int64_t DirectLanes() { return static_cast<int64_t>(hn::Lanes(F32())); }

// sums[pixel] = initial[pixel * initial_stride] + products of the segments.
template <int kPixels>
HWY_NOINLINE void SumTile(const Segment* begin, const Segment* end, const int64_t* pixels,
                          const float* weights, const float* initial, int64_t initial_stride,
                          float* sums) {
  const F32 d;
  using V = hn::Vec<F32>;
  constexpr int64_t kLanes = HWY_LANES(float);
  constexpr int64_t kRow = kGates * kLanes;
  V sum[kPixels][kGates];
  CONVLSTM_UNROLL
  for (int p = 0; p < kPixels; ++p) {
    CONVLSTM_UNROLL
    for (int q = 0; q < kGates; ++q) sum[p][q] = hn::Zero(d);
  }
  for (const Segment* segment = begin; segment != end; ++segment) {
    const float* values[kPixels];
    CONVLSTM_UNROLL
    for (int p = 0; p < kPixels; ++p) {
      values[p] = segment->values + pixels[p] * segment->channels;
    }
    const float* HWY_RESTRICT row = weights + segment->weight_row * kRow;
    const int64_t count = segment->count;
    for (int64_t k = 0; k < count; ++k, row += kRow) {
      const V w0 = hn::Load(d, row), w1 = hn::Load(d, row + kLanes);
      const V w2 = hn::Load(d, row + 2 * kLanes), w3 = hn::Load(d, row + 3 * kLanes);
      CONVLSTM_UNROLL
      for (int p = 0; p < kPixels; ++p) {
        const V value = hn::Set(d, values[p][k]);
        sum[p][0] = hn::MulAdd(value, w0, sum[p][0]);
        sum[p][1] = hn::MulAdd(value, w1, sum[p][1]);
        sum[p][2] = hn::MulAdd(value, w2, sum[p][2]);
        sum[p][3] = hn::MulAdd(value, w3, sum[p][3]);
      }
    }
  }
  CONVLSTM_UNROLL
  for (int p = 0; p < kPixels; ++p) {
    CONVLSTM_UNROLL
    for (int q = 0; q < kGates; ++q) {
      const V before = hn::Load(d, initial + p * initial_stride + q * kLanes);
      hn::Store(hn::Add(before, sum[p][q]), d, sums + p * kRow + q * kLanes);
    }
  }
}

using SumTileFunction = void (*)(const Segment*, const Segment*, const int64_t*, const float*,
                                 const float*, int64_t, float*);

template <size_t... kIndex>
SumTileFunction SelectSumTile(int64_t pixels, std::index_sequence<kIndex...>) {
  static constexpr SumTileFunction kTable[] = {SumTile<kIndex + 1>...};
  return kTable[pixels - 1];
}

// The gates' sums of a block for one vector of channels.
void SumBlock(const DirectWeights& packed, int64_t group, const DirectScratch& scratch) {
  constexpr int64_t kRow = kGates * HWY_LANES(float);
  const float* weights = packed.weights.as<float>() + group * packed.rows * kRow;
  float* sums = scratch.sums.as<float>();
  const float* initial = packed.biases.as<float>() + group * kRow;
  int64_t initial_stride = 0;
  const int64_t pixels = static_cast<int64_t>(scratch.pixels.size());
  const int tiles = static_cast<int>((pixels + kTilePixels - 1) / kTilePixels);
  const Segment* segment = scratch.segments.data();
  const Segment* const end = segment + scratch.segments.size();
  do {
    const Segment* chunk_end = segment;
    for (int64_t rows = 0; chunk_end != end && rows + chunk_end->count <= kChunk; ++chunk_end) {
      rows += chunk_end->count;
    }
    for (int tile = 0; tile < tiles; ++tile) {
      const Range range = SplitRange(pixels, tile, tiles);
      SelectSumTile(range.end - range.begin, std::make_index_sequence<kTilePixels>())(
          segment, chunk_end, scratch.pixels.data() + range.begin, weights,
          initial + range.begin * initial_stride, initial_stride, sums + range.begin * kRow);
    }
    initial = sums;
    initial_stride = kRow;
    segment = chunk_end;
  } while (segment != end);
}

void UpdateBlock(const DirectStep& s, const Block& block, int64_t group,
                 const DirectScratch& scratch) {
  const F32 d;
  constexpr int64_t kLanes = HWY_LANES(float);
  const int64_t channel = group * kLanes;
  const int64_t channels = std::min<int64_t>(kLanes, s.shape.hidden_dim - channel);
  const float* sums = scratch.sums.as<float>();
  for (int64_t y = block.rows.begin; y < block.rows.end; ++y) {
    for (int64_t x = block.columns.begin; x < block.columns.end; ++x, sums += kGates * kLanes) {
      const GateSums<F32> gates = {hn::Load(d, sums), hn::Load(d, sums + kLanes),
                                   hn::Load(d, sums + 2 * kLanes), hn::Load(d, sums + 3 * kLanes)};
      const CellPointers at =
          s.weights.peepholes.At(s.step, block.batch, y * s.shape.width + x, channel);
      if (channels == kLanes) {
        CellUpdate(d, gates, at);
      } else {
        CellUpdateTail(d, gates, at, static_cast<size_t>(channels));
      }
    }
  }
}

// Items are the channel groups of block 0, of block 1, ...
void RunDirectItems(const DirectStep& s, Range items) {
  if (items.begin == items.end) return;
  DirectScratch scratch(s);
  Block block{};
  int64_t prepared = -1;
  for (int64_t item = items.begin; item < items.end; ++item) {
    const int64_t index = item / s.weights.groups;
    const int64_t group = item % s.weights.groups;
    if (index != prepared) {
      block = PrepareBlock(s, index, scratch);
      prepared = index;
    }
    SumBlock(s.weights, group, scratch);
    UpdateBlock(s, block, group, scratch);
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

DirectWeights::DirectWeights(const ConvLstmShape& shape, const ConvLstmWeights& in,
                             int64_t vector_lanes, ThreadPool& pool)
    : lanes(vector_lanes),
      groups((shape.hidden_dim + lanes - 1) / lanes),
      rows(shape.kernel_height * shape.kernel_width * (shape.input_dim + shape.hidden_dim)),
      weights(Buffer::AllocateArray<float>(static_cast<size_t>(groups * rows * kGates * lanes))),
      biases(Buffer::AllocateArray<float>(static_cast<size_t>(groups * kGates * lanes))),
      peepholes(shape, in, pool) {
  const int64_t hidden = shape.hidden_dim, inputs = shape.input_dim + hidden;
  const int64_t taps = shape.kernel_height * shape.kernel_width;
  const auto pack_lane = [&](int64_t group, int64_t gate, int64_t lane) {
    const int64_t channel = group * lanes + lane;
    float* out = weights.as<float>() + (group * rows * kGates + gate) * lanes + lane;
    float* bias = biases.as<float>() + (group * kGates + gate) * lanes + lane;
    const int64_t stride = kGates * lanes;
    if (channel >= hidden) {
      for (int64_t row = 0; row < rows; ++row) out[row * stride] = 0;
      *bias = 0;
      return;
    }
    *bias = in.bias == nullptr ? 0 : in.bias[gate * hidden + channel];
    const float* source = in.weight + (gate * hidden + channel) * inputs * taps;
    for (int64_t input = 0; input < inputs; ++input) {
      const bool is_h = input >= shape.input_dim;
      const int64_t first_row = is_h ? taps * shape.input_dim + input - shape.input_dim : input;
      const int64_t channels = is_h ? hidden : shape.input_dim;
      for (int64_t tap = 0; tap < taps; ++tap) {
        out[(first_row + tap * channels) * stride] = *source++;
      }
    }
  };
  const int64_t items = groups * kGates * lanes;
  pool.Run([&](int part) {
    const Range range = SplitRange(items, part, pool.threads());
    for (int64_t item = range.begin; item < range.end; ++item) {
      pack_lane(item / (kGates * lanes), item / lanes % kGates, item % lanes);
    }
  });
}

DirectScratch::DirectScratch(const DirectStep& s) {
  const int64_t staged_pixels =
      (s.block_rows + s.shape.kernel_height - 1) * (s.block_columns + s.shape.kernel_width - 1);
  staged_x = Buffer::AllocateArray<float>(static_cast<size_t>(staged_pixels * s.shape.input_dim));
  if (s.step.h_in != nullptr) {
    staged_h =
        Buffer::AllocateArray<float>(static_cast<size_t>(staged_pixels * s.shape.hidden_dim));
  }
  const int64_t block_pixels = s.block_rows * s.block_columns;
  sums = Buffer::AllocateArray<float>(static_cast<size_t>(block_pixels * kGates * s.weights.lanes));
}

namespace {

// Copies rows [top, top + rows) and columns [left, left + columns) of a frame, zeros outside it.
void Stage(const ConvLstmShape& shape, const float* frame, int64_t channels, int64_t top,
           int64_t left, int64_t rows, int64_t columns, float* out) {
  const int64_t first = std::clamp<int64_t>(-left, 0, columns);
  const int64_t last = std::clamp<int64_t>(shape.width - left, first, columns);
  for (int64_t y = top; y < top + rows; ++y, out += columns * channels) {
    if (y < 0 || y >= shape.height) {
      std::fill_n(out, columns * channels, 0.0f);
      continue;
    }
    std::fill_n(out, first * channels, 0.0f);
    std::copy_n(frame + (y * shape.width + left + first) * channels, (last - first) * channels,
                out + first * channels);
    std::fill_n(out + last * channels, (columns - last) * channels, 0.0f);
  }
}

// The products of one source: for every row of the kernel that meets the image, the taps that do.
void AppendSegments(const ConvLstmShape& shape, const Block& block, const Window& window,
                    int64_t first_weight_row, std::vector<Segment>& segments) {
  const int64_t top = block.rows.begin - shape.pad_top();
  const int64_t bottom = block.rows.end - 1 - shape.pad_top();
  const int64_t left = block.columns.begin - shape.pad_left();
  const int64_t right = block.columns.end - 1 - shape.pad_left();
  const int64_t first_ky = std::max<int64_t>(0, -bottom);
  const int64_t last_ky = std::min(shape.kernel_height, shape.height - top);
  const int64_t first_kx = std::max<int64_t>(0, -right);
  const int64_t last_kx = std::min(shape.kernel_width, shape.width - left);
  const int64_t run = (last_kx - first_kx) * window.channels;
  const int64_t pieces = (run + kChunk - 1) / kChunk;
  for (int64_t ky = first_ky; ky < last_ky; ++ky) {
    const float* values = window.origin + (ky * block.pitch + first_kx) * window.channels;
    const int64_t row = first_weight_row + (ky * shape.kernel_width + first_kx) * window.channels;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t begin = run * piece / pieces, end = run * (piece + 1) / pieces;
      segments.push_back({values + begin, window.channels, row + begin, end - begin});
    }
  }
}

}  // namespace

Block PrepareBlock(const DirectStep& s, int64_t index, DirectScratch& scratch) {
  const ConvLstmShape& shape = s.shape;
  const int64_t across = index % s.blocks_across;
  const int64_t down = index / s.blocks_across % s.blocks_down;
  Block block{};
  block.batch = index / (s.blocks_across * s.blocks_down);
  block.rows = SplitRange(shape.height, static_cast<int>(down), static_cast<int>(s.blocks_down));
  block.columns =
      SplitRange(shape.width, static_cast<int>(across), static_cast<int>(s.blocks_across));
  const int64_t rows = block.rows.end - block.rows.begin;
  const int64_t columns = block.columns.end - block.columns.begin;
  const int64_t top = block.rows.begin - shape.pad_top();
  const int64_t left = block.columns.begin - shape.pad_left();
  const int64_t window_rows = rows + shape.kernel_height - 1;
  const int64_t window_columns = columns + shape.kernel_width - 1;
  const bool in_place = top >= 0 && left >= 0 && top + window_rows <= shape.height &&
                        left + window_columns <= shape.width;
  block.pitch = in_place ? shape.width : window_columns;

  scratch.pixels.clear();
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) scratch.pixels.push_back(y * block.pitch + x);
  }

  const auto window = [&](const float* frame, int64_t channels, const Buffer& staged) -> Window {
    if (in_place) return {frame + (top * shape.width + left) * channels, channels};
    Stage(shape, frame, channels, top, left, window_rows, window_columns, staged.as<float>());
    return {staged.as<float>(), channels};
  };
  scratch.segments.clear();
  block.x = window(s.step.x[block.batch], shape.input_dim, scratch.staged_x);
  AppendSegments(shape, block, block.x, 0, scratch.segments);
  if (s.step.h_in != nullptr) {
    block.h = window(s.step.h_in[block.batch], shape.hidden_dim, scratch.staged_h);
    AppendSegments(shape, block, block.h,
                   shape.kernel_height * shape.kernel_width * shape.input_dim, scratch.segments);
  }
  return block;
}

namespace {

class DirectKernel final : public ConvLstmKernel {
 public:
  explicit DirectKernel(Isa isa)
      : isa_(isa),
        lanes_(CONVLSTM_SIMD(isa, DirectLanes)()),
        run_items_(CONVLSTM_SIMD(isa, RunDirectItems)) {}

  std::string name() const override { return std::string("direct f32 ") + IsaName(isa_); }

  std::unique_ptr<PackedWeights> Pack(const ConvLstmShape& shape, const ConvLstmWeights& weights,
                                      ThreadPool& pool) const override {
    return std::make_unique<DirectWeights>(shape, weights, lanes_, pool);
  }

  void Step(const ConvLstmShape& shape, const PackedWeights& packed, const ConvLstmStep& step,
            ThreadPool& pool) const override {
    const DirectWeights& weights = static_cast<const DirectWeights&>(packed);
    DirectStep s = {shape, weights, step, 0, 0, 0, 0};
    // Small images are cut finer, so that no thread waits long for the others.
    constexpr int64_t kItemsPerThread = 4;
    const int64_t even_share =
        shape.batch * shape.pixels() * weights.groups / (kItemsPerThread * pool.threads());
    const int64_t block_pixels = std::clamp(even_share, kMinBlockPixels, kBlockPixels);
    s.blocks_across = (shape.width + block_pixels - 1) / block_pixels;
    s.block_columns = (shape.width + s.blocks_across - 1) / s.blocks_across;
    s.block_rows = std::clamp<int64_t>(block_pixels / s.block_columns, 1, shape.height);
    s.blocks_down = (shape.height + s.block_rows - 1) / s.block_rows;
    s.block_rows = (shape.height + s.blocks_down - 1) / s.blocks_down;

    const int64_t items = s.blocks() * weights.groups;
    // Handing work to another thread and waiting for it costs microseconds.
    constexpr int64_t kMinParallelProducts = 200'000;
    const int64_t products =
        shape.batch * shape.pixels() * weights.rows * kGates * weights.groups * weights.lanes;
    if (products < kMinParallelProducts) {
      run_items_(s, {0, items});
      return;
    }
    pool.Run([&](int part) { run_items_(s, SplitRange(items, part, pool.threads())); });
  }

 private:
  Isa isa_;
  int64_t lanes_;
  void (*run_items_)(const DirectStep&, Range);
};

}  // namespace

const ConvLstmKernel* FindDirectKernel(const ConvLstmRequest& request) {
  Isa isa = SimdIsa(request.isa);
  // Half of each vector would be idle, and half a vector is never slower.
  if (isa == Isa::kAvx512 && request.shape.hidden_dim <= 8) isa = Isa::kAvx2;
  switch (isa) {
    case Isa::kAvx512: {
      static const DirectKernel kernel(Isa::kAvx512);
      return &kernel;
    }
    case Isa::kAvx2: {
      static const DirectKernel kernel(Isa::kAvx2);
      return &kernel;
    }
    case Isa::kNeon: {
      static const DirectKernel kernel(Isa::kNeon);
      return &kernel;
    }
    default: {
      static const DirectKernel kernel(Isa::kPortable);
      return &kernel;
    }
  }
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
