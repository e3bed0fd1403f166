// Direct convolution fused with the gates and the state update: serves every shape.
//
// A tile is kTilePixels pixels by one vector of hidden channels by all gates, summed in registers:
// the gates of a channel meet there. With four gates that is, on AVX-512, 6 x 4 = 24 sums, 4
// weights and a broadcast in 32 registers (10 loads for 24 FMAs); on AVX2 3 x 4 = 12 sums in 16
// registers (7 loads for 12 FMAs); on NEON 5 x 4 = 20: GCC loads all broadcasts ahead and spills
// with 6 x 4.
//
// A block is a rectangle of one frame of about kBlockPixels pixels. Where its halo leaves the
// image, its rows of x and h are staged in scratch with zeros around; else they are read in place.
// All tiles of a block pass over a chunk of kChunk weight rows before the next chunk, so that all
// tiles but the first find their weights in L1, whatever the kernel's size.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_lstm/direct/direct.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "core/divide_up.h"
#include "cpu/conv_lstm/cell-inl.h"
#include "cpu/conv_lstm/direct/direct.h"
#include "cpu/conv_lstm/lstm_cell-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

using F32 = hn::ScalableTag<float>;

constexpr int64_t kTileSums = HWY_TARGET == HWY_AVX2     ? 12
                              : HWY_TARGET == HWY_NEON   ? 20
                              : HWY_TARGET == HWY_EMU128 ? 8
                                                         : 24;
template <class Cell>
constexpr int64_t kTilePixels = kTileSums / Cell::kGates;

int64_t DirectLanes() { return static_cast<int64_t>(hn::Lanes(F32())); }

// sums[pixel] = initial[pixel * initial_stride] + products of the segments.
template <class Cell, int kPixels>
HWY_NOINLINE void SumTile(const Segment* begin, const Segment* end, const int64_t* pixels,
                          const float* weights, const float* initial, int64_t initial_stride,
                          float* sums) {
  const F32 d;
  using V = hn::Vec<F32>;
  constexpr int64_t kGates = Cell::kGates, kLanes = HWY_LANES(float), kRow = kGates * kLanes;
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
      V w[kGates];
      CONVLSTM_UNROLL
      for (int q = 0; q < kGates; ++q) w[q] = hn::Load(d, row + q * kLanes);
      CONVLSTM_UNROLL
      for (int p = 0; p < kPixels; ++p) {
        const V value = hn::Set(d, values[p][k]);
        CONVLSTM_UNROLL
        for (int q = 0; q < kGates; ++q) sum[p][q] = hn::MulAdd(value, w[q], sum[p][q]);
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

template <class Cell, size_t... kIndex>
SumTileFunction SelectSumTile(int64_t pixels, std::index_sequence<kIndex...>) {
  static constexpr SumTileFunction kTable[] = {SumTile<Cell, kIndex + 1>...};
  return kTable[pixels - 1];
}

// The gates' sums of a block for one vector of channels.
template <class Cell>
void SumBlock(const DirectWeights& packed, int64_t group, const DirectScratch& scratch) {
  constexpr int64_t kRow = Cell::kGates * HWY_LANES(float);
  const float* weights = packed.weights.as<float>() + group * packed.rows * kRow;
  float* sums = scratch.sums.as<float>();
  const float* initial = packed.biases.as<float>() + group * kRow;
  int64_t initial_stride = 0;
  const int64_t pixels = static_cast<int64_t>(scratch.pixels.size());
  const int tiles = static_cast<int>(DivideUp(pixels, kTilePixels<Cell>));
  const Segment* segment = scratch.segments.data();
  const Segment* const end = segment + scratch.segments.size();
  do {
    const Segment* chunk_end = segment;
    for (int64_t rows = 0; chunk_end != end && rows + chunk_end->count <= kChunk; ++chunk_end) {
      rows += chunk_end->count;
    }
    for (int tile = 0; tile < tiles; ++tile) {
      const Range range = SplitRange(pixels, tile, tiles);
      SelectSumTile<Cell>(range.end - range.begin, std::make_index_sequence<kTilePixels<Cell>>())(
          segment, chunk_end, scratch.pixels.data() + range.begin, weights,
          initial + range.begin * initial_stride, initial_stride, sums + range.begin * kRow);
    }
    initial = sums;
    initial_stride = kRow;
    segment = chunk_end;
  } while (segment != end);
}

template <class Cell>
void UpdateBlock(const DirectStep& s, const Block& block, int64_t group,
                 const DirectScratch& scratch) {
  const F32 d;
  constexpr int64_t kGates = Cell::kGates, kLanes = HWY_LANES(float);
  const int64_t channel = group * kLanes;
  const int64_t channels = s.shape.hidden_dim - channel;
  const float* sums = scratch.sums.as<float>();
  for (int64_t y = block.rows.begin; y < block.rows.end; ++y) {
    for (int64_t x = block.columns.begin; x < block.columns.end; ++x, sums += kGates * kLanes) {
      hn::Vec<F32> gates[kGates];
      CONVLSTM_UNROLL
      for (int q = 0; q < kGates; ++q) gates[q] = hn::Load(d, sums + q * kLanes);
      UpdateCell<Cell>(
          d, gates,
          s.weights.peepholes.At<Cell>(s.step, block.batch, y * s.shape.width + x, channel),
          static_cast<size_t>(channels));
    }
  }
}

// Items are [block][channel group]: a block is prepared once for consecutive items.
template <class Cell>
void RunDirectItems(const DirectStep& s, WorkItems& items, int part) {
  auto item = items.Take(part);
  if (!item) return;
  DirectScratch scratch(s);
  Block block{};
  for (int64_t prepared = -1; item; item = items.Take(part)) {
    const int64_t index = *item / s.weights.groups;
    const int64_t group = *item % s.weights.groups;
    if (index != prepared) {
      block = PrepareBlock(s, index, scratch);
      prepared = index;
    }
    SumBlock<Cell>(s.weights, group, scratch);
    UpdateBlock<Cell>(s, block, group, scratch);
  }
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

namespace {

template <class Cell>
class DirectKernel final : public ConvLstmKernel {
 public:
  explicit DirectKernel(Isa isa)
      : isa_(isa),
        lanes_(CONVLSTM_SIMD(isa, DirectLanes)()),
        run_items_(CONVLSTM_SIMD(isa, RunDirectItems<Cell>)) {}

  std::string name() const override { return std::string("direct f32 ") + IsaName(isa_); }

  std::unique_ptr<PackedWeights> Pack(const ConvLstmShape& shape, const ConvLstmWeights& weights,
                                      ThreadPool& pool) const override {
    return std::make_unique<DirectWeights>(shape, weights, Cell::kGates, lanes_, pool);
  }

  void Step(const ConvLstmShape& shape, const PackedWeights& packed, const ConvLstmStep& step,
            ThreadPool& pool) const override {
    const DirectWeights& weights = static_cast<const DirectWeights&>(packed);
    DirectStep s = {shape, weights, step, 0, 0, 0, 0};
    // Small images are cut finer: four items a thread leave it idle for a quarter of its time at
    // most.
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
    // A call of the pool costs some 5 us, in which one core does 200,000 multiply-adds.
    constexpr int64_t kMinParallelProducts = 200'000;
    const int64_t products =
        shape.batch * shape.pixels() * weights.rows * Cell::kGates * weights.groups * weights.lanes;
    if (products < kMinParallelProducts) {
      WorkItems all(items, 1);
      run_items_(s, all, 0);
      return;
    }
    WorkItems shared(items, pool.threads());
    pool.Run([&](int part) { run_items_(s, shared, part); });
  }

 private:
  Isa isa_;
  int64_t lanes_;
  void (*run_items_)(const DirectStep&, WorkItems&, int part);
};

}  // namespace

const ConvLstmKernel* FindDirectKernel(const ConvLstmRequest& request) {
  Isa isa = SimdIsa(request.isa);
  // With up to 8 channels half of each 16-lane vector would be idle; 8 lanes are never slower.
  if (isa == Isa::kAvx512 && request.shape.hidden_dim <= 8) isa = Isa::kAvx2;
  switch (isa) {
    case Isa::kAvx512: {
      static const DirectKernel<LstmCell> kernel(Isa::kAvx512);
      return &kernel;
    }
    case Isa::kAvx2: {
      static const DirectKernel<LstmCell> kernel(Isa::kAvx2);
      return &kernel;
    }
    case Isa::kNeon: {
      static const DirectKernel<LstmCell> kernel(Isa::kNeon);
      return &kernel;
    }
    default: {
      static const DirectKernel<LstmCell> kernel(Isa::kPortable);
      return &kernel;
    }
  }
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
