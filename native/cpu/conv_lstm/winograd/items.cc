// The split of a Winograd step among threads.
#include <algorithm>

#include "core/divide_up.h"
#include "cpu/conv_lstm/winograd/tile.h"
#include "cpu/threads/cheapest_split.h"

namespace convlstm::cpu {
namespace {

// Tiles of a block, at most. The weights come from L3 once per block: 4 * 32 multiply-adds for
// every row of 4 vectors are 2 bytes a cycle on a core that does one 512-bit multiply-add a cycle.
// With fewer than 18, 3.6 bytes a cycle, L3 holds the products up.
constexpr size_t kMostTiles = 32, kFewestTiles = 18;

// V and M of 32 tiles and 64 + 64 channels are 590 and 295 KiB: deeper layers take fewer tiles at
// once, so that both take three quarters of L2 and leave room for what passes through.
// Weights that L3 may not keep come from memory once per block: then as many tiles as possible. One
// step of 192 + 192 channels, 42 MB: 12 to 14 ms, with 16 tiles 13 to 21.
int64_t MostTiles(const WinogradPlan& plan) {
  const size_t tile_bytes =
      plan.variant.products() * (plan.v_tile_stride() + plan.row) * sizeof(float);
  const size_t fewest = plan.weights_stay_in_l3() ? kFewestTiles : kMostTiles;
  return static_cast<int64_t>(std::clamp(plan.caches.l2 / 4 * 3 / tile_bytes, fewest, kMostTiles));
}

// Ranges of groups that the threads' shares are cut into; the rest of the split is by tiles. A
// split by tiles lets each thread read all weights, which for few tiles takes as long as the
// products; a split by groups repeats the input transform. Costs in units of one tile and group (4
// multiply-adds for every row of weights): the input transform is 1 / 12, a row from L3 about 4.
int64_t GroupRanges(const WinogradPlan& plan, int64_t threads) {
  const auto cost = [&](int64_t group_ranges, int64_t tile_ranges) {
    const double tiles = static_cast<double>(DivideUp<int64_t>(plan.tiles, tile_ranges));
    const double groups = static_cast<double>(DivideUp<int64_t>(plan.groups, group_ranges));
    return tiles * groups + tiles / 12 + groups * 4;
  };
  return CheapestSplit(threads, cost).first;
}

int64_t Blocks(const WinogradPlan& plan, int64_t tile_ranges) {
  const int64_t tiles = plan.tiles;
  return std::min(tiles, tile_ranges * DivideUp(DivideUp(tiles, tile_ranges), MostTiles(plan)));
}

}  // namespace

WinogradItems::WinogradItems(const WinogradPlan& plan, int threads)
    : tiles_(plan.tiles),
      groups_(plan.groups),
      group_ranges_(GroupRanges(plan, threads)),
      blocks_(Blocks(plan, threads / group_ranges_)),
      items_(blocks_ * groups_, threads) {}

// Items are [range of groups][block][group]: a share is a range of groups or of blocks, and the
// groups of a block are consecutive.
std::optional<WinogradItems::Item> WinogradItems::Take(int part) {
  const auto item = items_.Take(part);
  if (!item) return std::nullopt;
  const int ranges = static_cast<int>(group_ranges_);
  int index = 0;
  Range range = SplitRange(groups_, index, ranges);
  while (*item >= blocks_ * range.end) range = SplitRange(groups_, ++index, ranges);
  const int64_t in_range = *item - blocks_ * range.begin, groups = range.end - range.begin;
  return Item{in_range / groups, range.begin + in_range % groups};
}

}  // namespace convlstm::cpu
