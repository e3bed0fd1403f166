// The ConvLSTM step on tile registers, per Highway target.
//
// A block of at most 512 pixels runs through the groups of 16 hidden channels one after another.
// For a group, two gates of a pair of pixel tiles are four accumulator tiles: two A and two B tiles
// are loaded for four products, one load a product with one plane, 0.58 with three. By Intel's
// manual a product takes 16 cycles and a load 8, so loads hide as long as they hit L1. Every
// processor with AMX has 48 KiB of L1 and 2 MiB of L2 a core. Hence, innermost first:
//   - a chunk of k-steps whose B tiles (16 to 20 KiB) stay in L1,
//   - four pairs of tiles that use the chunk; their sums (16 KiB) stay there too, between chunks,
//   - all chunks, then the block's other pairs: weights come to L2 once a block.
// The sums of a group wait in scratch, and their activations (100 vector instructions for 16
// channels of a pixel, 50 cycles at two a cycle, as long as 3 products) run between the products of
// the next group. The order of additions depends on the layer only: neither threads nor blocks
// change a bit.

#if defined(CONVLSTM_CPU_CONV_LSTM_AMX_STEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONV_LSTM_AMX_STEP_INL_H_
#undef CONVLSTM_CPU_CONV_LSTM_AMX_STEP_INL_H_
#else
#define CONVLSTM_CPU_CONV_LSTM_AMX_STEP_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/amx/amx.h"
#include "cpu/conv_lstm/amx/epilogue-inl.h"
#include "cpu/conv_lstm/amx/operand-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

// Products of planes, 0 the highest, in a k-step. Consecutive products share a plane, which is
// loaded once.
template <int kPlanes>
struct AmxProducts;
template <>
struct AmxProducts<1> {
  static constexpr int kCount = 1;
  static constexpr std::array kA = {0}, kB = {0};
  static constexpr int64_t kChunkSteps = 9;
};
template <>
struct AmxProducts<2> {
  static constexpr int kCount = 3;
  static constexpr std::array kA = {0, 0, 1}, kB = {1, 0, 0};
  static constexpr int64_t kChunkSteps = 4;
};
template <>
struct AmxProducts<3> {
  static constexpr int kCount = 6;
  static constexpr std::array kA = {0, 0, 1, 1, 2, 0}, kB = {2, 1, 1, 0, 0, 0};
  static constexpr int64_t kChunkSteps = 3;
};

constexpr int64_t kPairsPerChunk = 4;
constexpr int64_t kLineBytes = 64;

// Prefetches weights from L3 to L2 while others are used: `lines` cache lines a k-step of a pair.
struct AmxPrefetch {
  const char* next;
  int64_t lines;

  HWY_INLINE void Advance() {
    for (int64_t i = 0; i < lines; ++i, next += kLineBytes) __builtin_prefetch(next, 0, 2);
  }
};

// One thread's part of a step.
template <class Cell, class Tiles, int kPlanes>
class AmxStepPart {
 public:
  AmxStepPart(const ConvLstmShape& shape, const AmxWeights& weights, const ConvLstmStep& step,
              const AmxPlan& plan, const AmxPart& part)
      : shape_(shape),
        weights_(weights),
        step_(step),
        plan_(plan),
        part_(part),
        sums_(Buffer::AllocateArray<float>(2 * kAmxBlockTiles * kPixelTileSums)) {
    const int64_t columns = plan.strip_tiles * kAmxTilePixels + shape.kernel_width - 1;
    operands_.emplace_back(shape, weights.x, plan.block_rows, columns);
    if (step.h_in) operands_.emplace_back(shape, weights.h, plan.block_rows, columns);
  }

  void Run() {
    AmxBlock block, above;
    for (int64_t row = part_.rows.begin; row < part_.rows.end;) {
      const int64_t strip = row / shape_.height, y = row % shape_.height;
      const int64_t rows = std::min(part_.rows.end - row, shape_.height - y);
      const Range x = plan_.Columns(shape_, strip % plan_.strips);
      const int blocks = static_cast<int>((rows + plan_.block_rows - 1) / plan_.block_rows);
      for (int i = 0; i < blocks; ++i) {
        const Range range = SplitRange(rows, i, blocks);
        block = {strip / plan_.strips, y + range.begin, y + range.end, x.begin, x.end, 0};
        PlaceTiles(block);
        FillOperands(block, i > 0 && above.columns == block.columns ? &above : nullptr);
        for (int64_t g = part_.groups.begin; g < part_.groups.end; ++g) RunGroup(block, g);
        above = block;
      }
      row += rows;
    }
    epilogue_.Run(epilogue_.count);
  }

 private:
  using Products = AmxProducts<kPlanes>;
  static constexpr int64_t kGatePairs = Cell::kGates / 2;
  static_assert(Cell::kGates % 2 == 0);
  static constexpr int64_t kPixelTileSums = Cell::kGates * kTileSums;
  static constexpr int64_t kStepElements = kPlanes * 2 * kAmxTileElements;
  static constexpr int64_t kStepLines = kStepElements * 2 / kLineBytes;

  // The A tiles of a k-step.
  struct KStep {
    int64_t operand;  // 0: x, 1: h
    int64_t offset;   // elements, in each plane
  };
  // A pixel tile's first row in the first planes of x and h.
  using TilePointers = std::array<const uint16_t*, 2>;

  // Chooses what needs fewer tiles: tiles that begin anew in every row, or tiles that run on
  // through the border into the next row and waste the sums of border columns.
  void PlaceTiles(AmxBlock& block) {
    const int64_t border = shape_.kernel_width - 1, rows = block.rows(), width = block.width();
    const int64_t row_tiles = (width + kAmxTilePixels - 1) / kAmxTilePixels;
    const int64_t run_columns = width + border;
    const int64_t run_tiles =
        ((rows - 1) * run_columns + width + kAmxTilePixels - 1) / kAmxTilePixels;
    const bool run_on = run_tiles < rows * row_tiles;
    block.columns = run_on ? run_columns : row_tiles * kAmxTilePixels + border;
    tiles_used_ = run_on ? run_tiles : rows * row_tiles;
    for (int64_t tile = 0; tile < tiles_used_; ++tile) {
      positions_[tile] = run_on
                             ? tile * kAmxTilePixels
                             : tile / row_tiles * block.columns + tile % row_tiles * kAmxTilePixels;
    }
    // Double-buffered: the previous block's epilogue still reads its list.
    pixels_now_ ^= 1;
    PixelSums* pixels = pixels_[pixels_now_].data();
    for (int64_t y = 0; y < rows; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        const int64_t at = run_on ? y * block.columns + x : y * row_tiles * kAmxTilePixels + x;
        *pixels++ = {at / kAmxTilePixels * kPixelTileSums + at % kAmxTilePixels * kAmxChannels,
                     (block.y0 + y) * shape_.width + block.x0 + x};
      }
    }
  }

  void FillOperands(const AmxBlock& block, const AmxBlock* above) {
    k_steps_.clear();
    for (size_t i = 0; i < operands_.size(); ++i) {
      AmxOperand<Tiles, kPlanes>& operand = operands_[i];
      operand.Fill((i == 0 ? step_.x : step_.h_in)[block.batch], block, above);
      const AmxSource& source = operand.source();
      for (int64_t segment = 0; segment < source.segments; ++segment) {
        for (int64_t s = 0; s < source.steps; ++s) {
          k_steps_.push_back(
              {static_cast<int64_t>(i), segment * block.columns * source.columns + s * kAmxDepth});
        }
      }
      for (int64_t tile = 0; tile < tiles_used_; ++tile) {
        pointers_[tile][i] = operand.data() + positions_[tile] * source.columns;
      }
    }
    // An odd last tile is its own partner; those sums are not read.
    pointers_[tiles_used_] = pointers_[tiles_used_ - 1];
  }

  const uint16_t* Weights(int64_t group, int64_t gate_pair) const {
    return weights_.tiles.as<uint16_t>() +
           (group * kGatePairs + gate_pair) * weights_.steps() * kStepElements;
  }

  void RunGroup(const AmxBlock& block, int64_t group) {
    const int64_t pairs = (tiles_used_ + 1) / 2;
    const int64_t steps = static_cast<int64_t>(k_steps_.size());
    sums_now_ ^= 1;
    float* sums = sums_.as<float>() + sums_now_ * kAmxBlockTiles * kPixelTileSums;
    AmxInterleave<Cell> interleave{epilogue_, kGatePairs * pairs * steps * Products::kCount};
    const int chunks =
        static_cast<int>(std::max<int64_t>(1, (2 * steps / Products::kChunkSteps + 1) / 2));
    for (int64_t gate_pair = 0; gate_pair < kGatePairs; ++gate_pair) {
      const uint16_t* weights = Weights(group, gate_pair);
      const uint16_t* next_weights = WeightsAfter(group, gate_pair);
      AmxPrefetch prefetch = PrefetchFrom(next_weights, pairs);
      for (int64_t first = 0; first < pairs; first += kPairsPerChunk) {
        const int64_t last = std::min(first + kPairsPerChunk, pairs);
        const uint16_t* then = last < pairs ? weights : next_weights;
        for (int chunk = 0; chunk < chunks; ++chunk) {
          const Range range = SplitRange(steps, chunk, chunks);
          float* to = sums + 2 * first * kPixelTileSums + gate_pair * 2 * kTileSums;
          RunChunk<true>(first, range, weights, then, to, interleave, prefetch);
          for (int64_t pair = first + 1; pair < last; ++pair) {
            to += 2 * kPixelTileSums;
            RunChunk<false>(pair, range, weights, then, to, interleave, prefetch);
          }
        }
      }
    }
    epilogue_.Run(epilogue_.count - epilogue_.next);

    const int64_t channel = group * kAmxChannels;
    epilogue_.sums = sums;
    epilogue_.pixels = pixels_[pixels_now_].data();
    epilogue_.next = 0;
    epilogue_.count = block.rows() * block.width();
    epilogue_.c = step_.c[block.batch] + channel;
    epilogue_.c_in = step_.c_in == nullptr ? epilogue_.c : step_.c_in[block.batch] + channel;
    if (step_.gates != nullptr) epilogue_.gates_out = step_.gates[block.batch] + channel;
    epilogue_.h = step_.h_out[block.batch] + channel;
    epilogue_.bias = weights_.bias.as<float>() + Cell::kGates * channel;
    epilogue_.hidden = shape_.hidden_dim;
    epilogue_.channels = std::min<int64_t>(kAmxChannels, shape_.hidden_dim - channel);
    if (weights_.peephole != Peephole::kNone) {
      epilogue_.peepholes = weights_.peepholes.as<float>() + Cell::kPeepholes * channel;
      epilogue_.peephole_stride = weights_.peephole == Peephole::kSpatial
                                      ? Cell::kPeepholes * kAmxChannels * weights_.groups
                                      : 0;
    }
  }

  // Runs the k-steps `range` of a pair of pixel tiles and two gates. Tile registers: 0 and 1 sum
  // the first pixel tile's two gates, 2 and 3 the second's; 4 and 5 are A, 6 and 7 are B. kFetch,
  // for the first pair that uses these weights: prefetch those of two k-steps later into L1; `then`
  // holds the weights after the last k-step.
  template <bool kFetch>
  HWY_NOINLINE void RunChunk(int64_t pair, Range range, const uint16_t* weights,
                             const uint16_t* then, float* sums, AmxInterleave<Cell>& interleave,
                             AmxPrefetch& prefetch) {
    constexpr int64_t kRow = kAmxChannels * sizeof(float);
    float* const second = sums + kPixelTileSums;
    if (range.begin == 0) {
      tiles_.template Zero<0>();
      tiles_.template Zero<1>();
      tiles_.template Zero<2>();
      tiles_.template Zero<3>();
    } else {
      tiles_.template Load<0>(sums, kRow);
      tiles_.template Load<1>(sums + kTileSums, kRow);
      tiles_.template Load<2>(second, kRow);
      tiles_.template Load<3>(second + kTileSums, kRow);
    }
    const int64_t steps = static_cast<int64_t>(k_steps_.size());
    for (int64_t step = range.begin; step < range.end; ++step) {
      const KStep at = k_steps_[step];
      const AmxOperand<Tiles, kPlanes>& operand = operands_[at.operand];
      const int64_t later = step + 2;
      const uint16_t* fetch =
          later < steps ? weights + later * kStepElements : then + (later - steps) * kStepElements;
      prefetch.Advance();
      Multiply<kFetch, 0>(pointers_[2 * pair][at.operand] + at.offset,
                          pointers_[2 * pair + 1][at.operand] + at.offset, operand.plane(),
                          operand.source().columns * sizeof(uint16_t),
                          weights + step * kStepElements, fetch, interleave);
    }
    tiles_.template Store<0>(sums, kRow);
    tiles_.template Store<1>(sums + kTileSums, kRow);
    tiles_.template Store<2>(second, kRow);
    tiles_.template Store<3>(second + kTileSums, kRow);
  }

  // Products kProduct and later of one k-step.
  template <bool kFetch, int kProduct>
  HWY_INLINE void Multiply(const uint16_t* a0, const uint16_t* a1, int64_t plane, int64_t stride,
                           const uint16_t* b, const uint16_t* fetch,
                           AmxInterleave<Cell>& interleave) {
    constexpr int kA = Products::kA[kProduct], kB = Products::kB[kProduct];
    constexpr bool kLoadA = kProduct == 0 || Products::kA[kProduct - 1] != kA;
    constexpr bool kLoadB = kProduct == 0 || Products::kB[kProduct - 1] != kB;
    constexpr int64_t kRow = kAmxDepth * sizeof(uint16_t);
    const uint16_t* gates = b + kB * 2 * kAmxTileElements;
    if constexpr (kLoadB) tiles_.template Load<6>(gates, kRow);
    if constexpr (kLoadA) tiles_.template Load<4>(a0 + kA * plane, stride);
    tiles_.template Dot<0, 4, 6>();
    if constexpr (kFetch) FetchPart<4 * kProduct>(fetch);
    if constexpr (kLoadB) tiles_.template Load<7>(gates + kAmxTileElements, kRow);
    tiles_.template Dot<1, 4, 7>();
    if constexpr (kFetch) FetchPart<4 * kProduct + 1>(fetch);
    if constexpr (kLoadA) tiles_.template Load<5>(a1 + kA * plane, stride);
    tiles_.template Dot<2, 5, 6>();
    if constexpr (kFetch) FetchPart<4 * kProduct + 2>(fetch);
    tiles_.template Dot<3, 5, 7>();
    if constexpr (kFetch) FetchPart<4 * kProduct + 3>(fetch);
    interleave.AfterProduct();
    if constexpr (kProduct + 1 < Products::kCount) {
      Multiply<kFetch, kProduct + 1>(a0, a1, plane, stride, b, fetch, interleave);
    }
  }

  // Prefetches one of 4 * kCount near-equal parts of a k-step's weights.
  template <int kPart>
  HWY_INLINE static void FetchPart(const uint16_t* weights) {
    constexpr int64_t kParts = 4 * Products::kCount;
    for (int64_t line = kStepLines * kPart / kParts; line < kStepLines * (kPart + 1) / kParts;
         ++line) {
      __builtin_prefetch(weights + line * (kLineBytes / sizeof(uint16_t)));
    }
  }

  // The weights used next; the following block begins again with the first group.
  const uint16_t* WeightsAfter(int64_t group, int64_t gate_pair) const {
    if (gate_pair + 1 < kGatePairs) return Weights(group, gate_pair + 1);
    return Weights(group + 1 < part_.groups.end ? group + 1 : part_.groups.begin, 0);
  }

  // Weights of at most half of L2 stay there without prefetching.
  AmxPrefetch PrefetchFrom(const uint16_t* weights, int64_t pairs) const {
    const bool resident = weights_.tiles.bytes() <= GetCpuFeatures().caches.l2 / 2;
    return {reinterpret_cast<const char*>(weights),
            resident ? 0 : (kStepLines + pairs - 1) / pairs};
  }

  const ConvLstmShape& shape_;
  const AmxWeights& weights_;
  const ConvLstmStep& step_;
  const AmxPlan& plan_;
  const AmxPart part_;
  Tiles tiles_;
  std::vector<AmxOperand<Tiles, kPlanes>> operands_;  // x, then h unless it is zero
  std::vector<KStep> k_steps_;
  int64_t tiles_used_ = 0;                         // pixel tiles of the current block
  std::array<int64_t, kAmxBlockTiles> positions_;  // first pixel of each, in the scratch frames
  std::array<TilePointers, kAmxBlockTiles + 1> pointers_;
  // [this block and the previous one, in turn]
  std::array<std::array<PixelSums, kAmxBlockTiles * kAmxTilePixels>, 2> pixels_;
  int pixels_now_ = 0;
  Buffer sums_;  // of this group and the previous one, in turn
  int sums_now_ = 0;
  AmxEpilogue<Cell> epilogue_{};
};

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONV_LSTM_AMX_STEP_INL_H_
