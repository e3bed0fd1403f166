#include "core/free_ranges.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <random>

namespace convlstm {
namespace {

char* At(uintptr_t address) { return reinterpret_cast<char*>(address); }

TEST_CASE("free ranges: neighbours are merged, requests take the front of the smallest range") {
  FreeRanges ranges;
  CHECK(ranges.empty());
  CHECK(ranges.Take(1) == nullptr);
  ranges.Add(At(1000), 100, 0);
  ranges.Add(At(1200), 50, 1);
  CHECK(ranges.Take(101) == nullptr);
  ranges.Add(At(1100), 100, 2);  // the gap
  CHECK(ranges.Take(200) == At(1000));
  CHECK(ranges.Take(51) == nullptr);
  ranges.Add(At(2000), 60, 3);
  CHECK(ranges.Take(45) == At(1200));
  CHECK(ranges.Take(60) == At(2000));
  CHECK(ranges.Take(5) == At(1245));
  CHECK(ranges.empty());
}

TEST_CASE("free ranges: the newest of equal ranges is taken") {
  FreeRanges ranges;
  ranges.Add(At(1000), 10, 0);
  ranges.Add(At(3000), 10, 1);
  ranges.Add(At(2000), 10, 2);
  CHECK(ranges.Take(10) == At(2000));
  CHECK(ranges.Take(10) == At(3000));
}

TEST_CASE("free ranges: the end of the oldest range is released, from a multiple on") {
  FreeRanges ranges;
  ranges.Add(At(10'000), 1000, 0);
  ranges.Add(At(20'000), 1000, 1);
  CHECK(ranges.oldest() == 0);
  FreeRanges::Range range = ranges.TakeOldest(150, 100);
  CHECK(range.begin == At(10'800));
  CHECK(range.bytes == 200);
  range = ranges.TakeOldest(10'000, 100);
  CHECK(range.begin == At(10'000));
  CHECK(range.bytes == 800);
  CHECK(ranges.oldest() == 1);
  ranges.Add(At(30'000), 1000, 2);
  ranges.Add(At(21'000), 1000, 3);  // renews the first range
  range = ranges.TakeOldest(1000, 4096);
  CHECK(range.begin == At(30'000));
  CHECK(range.bytes == 1000);
}

TEST_CASE("free ranges: no byte is given out twice, and all are returned") {
  constexpr uintptr_t kBegin = 1 << 20, kBytes = 1 << 16;
  FreeRanges ranges;
  uint64_t age = 0;
  ranges.Add(At(kBegin), kBytes, age++);
  std::map<char*, size_t> taken;
  std::mt19937 generator(1);
  for (int k = 0; k < 20'000; ++k) {
    if (generator() % 2 == 0) {
      const size_t bytes = 1 + generator() % 3000;
      char* const begin = ranges.Take(bytes);
      if (begin == nullptr) continue;
      const auto next = taken.lower_bound(begin);
      REQUIRE((next == taken.end() || begin + bytes <= next->first));
      if (next != taken.begin()) {
        const auto previous = std::prev(next);
        REQUIRE(previous->first + previous->second <= begin);
      }
      taken.emplace(begin, bytes);
    } else if (!taken.empty()) {
      const auto given = std::next(taken.begin(), generator() % taken.size());
      ranges.Add(given->first, given->second, age++);
      taken.erase(given);
    }
  }
  for (const auto& [begin, bytes] : taken) ranges.Add(begin, bytes, age++);
  CHECK(ranges.Take(kBytes) == At(kBegin));
  CHECK(ranges.empty());
}

}  // namespace
}  // namespace convlstm
