#include "cpu/threads/thread_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {

TEST_SUITE("core") {
  TEST_CASE("every part runs once, part 0 on the calling thread") {
    for (const int threads : {1, 2, 5}) {
      ThreadPool pool(threads);
      CHECK(pool.threads() == threads);
      std::vector<int> runs(threads, 0);
      std::thread::id first;
      for (int call = 0; call < 20000; ++call) {
        pool.Run([&](int part) {
          ++runs[part];  // not atomic: the pool has to order the calls
          if (part == 0) first = std::this_thread::get_id();
        });
      }
      CHECK(runs == std::vector<int>(threads, 20000));
      CHECK(first == std::this_thread::get_id());
    }
  }

  TEST_CASE("parts run at the same time") {
    ThreadPool pool(2);
    std::atomic<int> inside{0}, most{0};
    for (int call = 0; call < 20 && most < 2; ++call) {
      pool.Run([&](int) {
        const int now = ++inside;
        if (now > most) most = now;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        --inside;
      });
    }
    CHECK(most == 2);
  }

  TEST_CASE("sleeping threads wake up") {
    ThreadPool pool(3);
    for (int call = 0; call < 20; ++call) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      std::vector<int> runs(3, 0);
      pool.Run([&](int part) {
        if (part == 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ++runs[part];
      });
      CHECK(runs == std::vector<int>{1, 1, 1});
    }
  }

  TEST_CASE("an exception of any part reaches the caller, and the pool still works") {
    ThreadPool pool(3);
    for (int thrower = 0; thrower < 3; ++thrower) {
      std::vector<int> runs(3, 0);
      std::string message;
      try {
        pool.Run([&](int part) {
          ++runs[part];
          if (part == thrower) throw std::runtime_error("part " + std::to_string(part));
        });
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
      CHECK(message == "part " + std::to_string(thrower));
      CHECK(runs == std::vector<int>{1, 1, 1});
      pool.Run([](int) {});
    }
    CHECK_THROWS_AS(pool.Run([](int) { throw std::runtime_error("all"); }), std::runtime_error);
    pool.Run([](int) {});
  }

  TEST_CASE("ranges cover the whole") {
    for (const int64_t count : {0, 1, 7, 1000}) {
      for (const int parts : {1, 2, 7}) {
        int64_t next = 0;
        for (int part = 0; part < parts; ++part) {
          const Range range = SplitRange(count, part, parts);
          CHECK(range.begin == next);
          next = range.end;
        }
        CHECK(next == count);
      }
    }
    ThreadPool pool(3);
    std::vector<int> visits(100000, 0);
    ParallelFor(pool, 100000, 1, [&](Range range) {
      for (int64_t k = range.begin; k < range.end; ++k) ++visits[k];
    });
    CHECK(visits == std::vector<int>(100000, 1));
  }
}

}  // namespace convlstm::cpu
