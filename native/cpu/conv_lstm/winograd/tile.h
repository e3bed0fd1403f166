// The Winograd family's plan and packed weights (winograd.cc), its split among threads (items.cc)
// and the function that runs a thread's part of a step (tile.cc), compiled per instruction set.
#ifndef CONVLSTM_CPU_CONV_LSTM_WINOGRAD_TILE_H_
#define CONVLSTM_CPU_CONV_LSTM_WINOGRAD_TILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/buffer.h"
#include "cpu/conv_lstm/cell.h"
#include "cpu/conv_lstm/kernel.h"
#include "cpu/convolution/winograd/variant.h"
#include "cpu/threads/work_items.h"

namespace convlstm::cpu {

// The images that the convolution runs over.
enum WinogradSource : size_t { kFromHidden, kFromInput, kWinogradSources };

inline constexpr size_t kRowVectors = 4;
// A row of weights is what a product (convolution/winograd/product-inl.h) multiplies at once:
// kRowVectors vectors, the gates of a group of hidden channels side by side, [gate][channel of the
// group]. With four gates a group is one vector of channels. Channels past hidden_dim are zero.
struct WinogradWeights final : PackedWeights {
  explicit WinogradWeights(PackedPeepholes packed_peepholes)
      : peepholes(std::move(packed_peepholes)) {}

  // [group][product][depth][row]; along the depth the channels of h, then those of x.
  Buffer transformed;
  // Not transformed, for values too large for the transform:
  // [source][group][tap row][tap column * channels + channel][row].
  Buffer direct[kWinogradSources];
  Buffer bias;  // [group][row]
  PackedPeepholes peepholes;
};

// A layer cut into tiles of pixels and groups of channels.
struct WinogradPlan : WinogradTiling {
  WinogradPlan(const ConvLstmShape& shape, const WinogradVariant& variant, size_t gates,
               size_t lanes, const CacheSizes& caches = GetCpuFeatures().caches);

  ConvLstmShape shape;
  size_t lanes;
  size_t hidden, input;
  size_t gates;
  size_t row;             // floats of a row of weights
  size_t group_channels;  // row / gates
  size_t groups;
  size_t depth;  // hidden + input
  CacheSizes caches;

  // Floats from tile to tile of V, [product][tile][depth], the transformed values of a block.
  size_t v_tile_stride() const { return hidden + (input + lanes - 1) / lanes * lanes; }
  size_t channels(WinogradSource source) const { return source == kFromHidden ? hidden : input; }
  // Bytes of the transformed weights.
  size_t weight_bytes() const { return groups * variant.products() * depth * row * sizeof(float); }
  // Whether the weights, read again for every block of tiles, stay in L3 meanwhile. Other cores and
  // programs use it too: half counts.
  bool weights_stay_in_l3() const { return weight_bytes() <= caches.l3 / 2; }
};

// A step cut into items, blocks of tiles by groups, which threads take. Items write disjoint
// elements of h_out and c, and no element's bits depend on the cut.
class WinogradItems {
 public:
  WinogradItems(const WinogradPlan& plan, int threads);

  struct Item {
    int64_t block;
    int64_t group;
  };
  std::optional<Item> Take(int part);

  Range TilesOf(int64_t block) const {
    return SplitRange(tiles_, static_cast<int>(block), static_cast<int>(blocks_));
  }
  size_t tiles_of_largest_block() const { return (tiles_ + blocks_ - 1) / blocks_; }

 private:
  int64_t tiles_, groups_;
  int64_t group_ranges_;
  int64_t blocks_;
  WorkItems items_;
};

// Runs the items that `part` takes.
using WinogradPart = void (*)(const WinogradPlan& plan, const WinogradWeights& weights,
                              const ConvLstmStep& step, WinogradItems& items, int part);

// For the cells of tile.cc.
template <class Cell>
WinogradPart GetWinogradPart(Isa isa, size_t variant);

// The kernel of kWinogradVariants[variant].
const ConvLstmKernel* WinogradKernelOf(size_t variant, Isa isa);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_WINOGRAD_TILE_H_
