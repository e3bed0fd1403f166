// Sizes of caches, and what is planned from them.
#include "cpu/simd/cpu_features.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cpu/conv_lstm/kernel.h"
#include "cpu/conv_lstm/lstm_cell.h"
#include "cpu/conv_lstm/winograd/tile.h"

namespace convlstm::cpu {
namespace {

constexpr size_t kKiB = 1024, kMiB = 1024 * kKiB;

void Check(const CacheSizes& sizes, const CacheSizes& expected) {
  CHECK(sizes.l1d == expected.l1d);
  CHECK(sizes.l2 == expected.l2);
  CHECK(sizes.l3 == expected.l3);
}

TEST_CASE("caches: L2 is a core's share, L3 all that a core sees") {
  // One core of 8 with two threads each.
  Check(CacheSizesOf({{1, 32 * kKiB, 2}, {2, 1 * kMiB, 2}, {3, 32 * kMiB, 16}}),
        {32 * kKiB, 1 * kMiB, 32 * kMiB});
  // Four cores share an L2, and there is no L3.
  Check(CacheSizesOf({{1, 64 * kKiB, 1}, {2, 4 * kMiB, 4}}), {64 * kKiB, 1 * kMiB, 4 * kMiB});
  Check(CacheSizesOf({}), CacheSizes());
}

TEST_CASE("caches: this machine's are larger from level to level") {
  const CacheSizes& sizes = GetCpuFeatures().caches;
  CHECK(sizes.l1d >= 8 * kKiB);
  CHECK(sizes.l2 > sizes.l1d);
  CHECK(sizes.l3 >= sizes.l2);
}

constexpr CacheSizes kZen4 = {32 * kKiB, 1 * kMiB, 32 * kMiB};

// Tiles of a block where one thread has a large image.
size_t BlockTiles(int64_t input, int64_t hidden, int64_t taps, size_t variant, size_t lanes,
                  const CacheSizes& caches) {
  const ConvLstmShape shape = {1, 1, false, input, hidden, 512, 512, taps, taps};
  const WinogradPlan plan(shape, kWinogradVariants[variant], LstmCell::kGates, lanes, caches);
  return WinogradItems(plan, 1).tiles_of_largest_block();
}

TEST_CASE("winograd: blocks fill three quarters of L2, between 18 and 32 tiles") {
  constexpr size_t kF4x4 = 0, kF4x2Of5x5 = 3;
  REQUIRE(kWinogradVariants[kF4x4].rows == 4);
  REQUIRE(kWinogradVariants[kF4x2Of5x5].taps == 5);
  // What a constant of 768 KiB gave for 1 MiB of L2.
  CHECK(BlockTiles(1, 64, 3, kF4x4, 16, kZen4) == 32);
  CHECK(BlockTiles(64, 64, 3, kF4x4, 16, kZen4) == 28);
  CHECK(BlockTiles(64, 128, 3, kF4x4, 16, kZen4) == 21);
  CHECK(BlockTiles(64, 64, 3, kF4x4, 8, kZen4) == 32);
  const CacheSizes half = {32 * kKiB, 512 * kKiB, 32 * kMiB};
  CHECK(BlockTiles(1, 64, 3, kF4x4, 8, half) == 26);
  CHECK(BlockTiles(64, 64, 3, kF4x4, 16, half) == 18);
  // Weights of 24 and 40 MiB, more than half of L3: as many tiles as possible, whatever L2 holds.
  CHECK(BlockTiles(128, 128, 5, kF4x2Of5x5, 16, half) == 32);
  CHECK(BlockTiles(192, 192, 3, kF4x4, 16, half) == 32);
}

TEST_CASE("winograd: the variant of fewer products is for weights that stay in L3") {
  ConvLstmRequest request = {{1, 1, false, 64, 128, 64, 64, 3, 3},
                             Peephole::kNone,
                             Precision::kHigh,
                             Isa::kPortable,
                             kZen4};
  // 14 MiB for F(4x4, 3x3), 24 for F(6x6, 3x3).
  CHECK(FindWinogradKernel(request)->name() == "winograd-f4x4-3x3 f32 portable");
  request.caches.l3 = 64 * kMiB;
  CHECK(FindWinogradKernel(request)->name() == "winograd-f6x6-3x3 f32 portable");
}

}  // namespace
}  // namespace convlstm::cpu
