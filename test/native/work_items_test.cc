#include "cpu/threads/work_items.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {
namespace {

std::vector<int64_t> TakeAll(WorkItems& items, int part) {
  std::vector<int64_t> taken;
  while (const auto item = items.Take(part)) taken.push_back(*item);
  return taken;
}

std::vector<int64_t> Numbers(int64_t count) {
  std::vector<int64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

TEST_SUITE("core") {
  TEST_CASE("a part takes its own items in order, then the last items of others") {
    WorkItems items(10, 3);  // 0 to 2, 3 to 5, 6 to 9
    CHECK(items.Take(1) == 3);
    CHECK(items.Take(2) == 6);
    CHECK(TakeAll(items, 1) == std::vector<int64_t>{4, 5, 2, 9, 1, 8, 0, 7});
    CHECK_FALSE(items.Take(0));
    CHECK_FALSE(items.Take(2));
  }

  TEST_CASE("fewer items than parts, one item, no items") {
    for (const int64_t count : {0, 1, 2}) {
      for (int part = 0; part < 5; ++part) {
        WorkItems items(count, 5);
        std::vector<int64_t> taken = TakeAll(items, part);
        std::sort(taken.begin(), taken.end());
        CHECK(taken == Numbers(count));
      }
    }
  }

  TEST_CASE("threads take every item once") {
    constexpr int kThreads = 4;
    ThreadPool pool(kThreads);
    for (int call = 0; call < 200; ++call) {
      const int64_t count = 1 + call * 7 % 1000;
      WorkItems items(count, kThreads);
      std::vector<std::vector<int64_t>> taken(kThreads);
      pool.Run([&](int part) { taken[part] = TakeAll(items, part); });
      std::vector<int64_t> all;
      for (const auto& some : taken) all.insert(all.end(), some.begin(), some.end());
      std::sort(all.begin(), all.end());
      CHECK(all == Numbers(count));
    }
  }

  TEST_CASE("no part waits for one that never starts") {
    ThreadPool pool(2);
    WorkItems items(100, 2);
    std::atomic<int64_t> done{0};
    pool.Run([&](int part) {
      if (part == 1) {
        while (done.load() < 100) std::this_thread::yield();
      }
      while (items.Take(part)) ++done;
    });
    CHECK(done == 100);
  }
}

}  // namespace convlstm::cpu
